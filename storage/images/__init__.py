"""Image files: read window by window, written block by block, never whole in memory."""

from storage.images.info import ImageInfo
from storage.images.opened import ImageSource
from storage.images.output import check_output
from storage.images.sink import Keep, write_image
from storage.images.source import open_image

__all__ = ["ImageInfo", "ImageSource", "Keep", "check_output", "open_image", "write_image"]
