"""Recipes: what to do, apart from any image or model."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.imaging.frequency import cell_of
from pipeline.models.attention.kernels import Options

from .rules import check_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to do. A field left at None takes the model's own default when the recipe is bound to a model."""

    name: str = "multidiffusion"
    """the preset it started from, for people"""
    prompt: str = ""
    """one prompt for every tile; only models with a text encoder read it"""
    negative_prompt: str = ""
    """what guidance moves away from"""
    prompts: str | None = None
    """``global``: ``prompt`` for every tile; ``local``: ``prompt``, then what the tagger says of each tile; ``file``:
    ``prompt``, then what the user's tag file says of it; ``attention``: the words of ``prompt`` that the first stage
    of a progressive run saw there (AccDiffusion); runs of an image have no such stage"""
    word_share: float = 0.3
    """c: with prompts = "attention", the share of a tile in which a word must hold to be said of it"""
    collect_words: bool = False
    """keep which words each place attends to, summed over the steps: what prompts = "attention" of later stages read"""
    tag_threshold: float | None = None
    """least probability at which a tagger's phrase is said"""
    most_tags: int | None = None
    """most phrases of content that are said of a crop, the surest; 0 says all"""
    least_confidence: float = 0.0
    """a tile whose surest phrase of content is below this takes the content of the whole image instead"""
    parents: int = 0
    """wider crops whose content is said after a tile's own: 1 of twice the side, 2 also of four times, and so on"""
    tags_first: bool = False
    """whether a tile's tags come before ``prompt`` (Zoomed-In's program); what is too long is cut from the end"""
    degradations: str = "prompt"
    """where the words for damage go that are said of a tile: its ``prompt``, or its ``negative`` prompt"""
    captions: str = "short"
    """``short`` or ``detailed``, for captioners that write both"""
    coarse: str | None = None
    """first enlargement: ``restored`` by the model's restoration module, or ``bicubic``"""
    steps: int | None = None
    """sampler steps, before strength takes its share"""
    guidance: float | None = None
    """weight of classifier-free guidance; 1 runs the conditional branch alone"""
    solver: str | None = None
    """one of pipeline.sampling.solvers.SOLVERS"""
    spacing: str = "model"
    """how the timesteps lie: as the ``model`` says, ``leading``, ``trailing`` (what Turbo and Lightning models want) or
    ``linspace``"""
    start: str | None = None
    """``noise``: pure noise; ``image``: the enlarged input's latent, noised to the first timestep"""
    strength: float = 1.0
    """share of the steps that runs, with start = "image"; 1 runs them all"""
    activity: str = "all"
    """``all``: every tile at every step; ``groups``: a tile begins when its difficulty says (PatchScaler); ``mask``: a
    latent pixel is refined while its difficulty says (YODA)"""
    difficulty: str | None = None
    """where difficulty comes from: ``confidence`` of the model's restoration module, ``gradient``, the input's own,
    ``attention`` of a vision transformer (--vit), ``file``, the user's map (--difficulty), or ``none``, where
    activity is ``all``"""
    heads: str = "max"
    """what becomes of the transformer's heads: their ``mean`` or ``max``"""
    difficulty_cell: int | None = None
    """latent pixels a side of the squares over which difficulty is averaged, before it is raised to its power; the
    source's own where None, as with the next and with group_bounds and lower_bound: see pipeline.plan.sources"""
    difficulty_power: float | None = None
    """above 1, only the most difficult places count as such"""
    idle_spread: float = 0.55
    """how much of a picture's energy a place keeps while it is not denoised: 1, it is as noisy as a picture at that
    time; 0, as the coarse latent, which has less detail to begin from. Models with a restoration module read it"""
    group_bounds: tuple[float, float] | None = None
    """gamma_1 > gamma_2: mean confidence, 1 - difficulty, above which a tile is simple, and up to which it is hard"""
    group_numbers: str = "chosen"
    """where bounds and steps of groups are left open: ``paper``, PatchScaler's gamma of the confidence and steps in
    proportion to group_times; ``chosen``, the source's bounds, and a quarter, a half and all of the steps"""
    group_times: tuple[float, float, float] = (400.0, 700.0, 1000.0)
    """time of 1000 at which simple, medium and hard tiles begin"""
    group_steps: tuple[int, int, int] | None = None
    """steps that simple, medium and hard tiles take, N1 < N2 < N3, on one grid that they join at their times; as
    group_numbers says where None"""
    lower_bound: float | None = None
    """l: a place of no difficulty is refined from this share of the time on, and in that share of the steps, the last
    ones, at least in one"""
    structure: str | None = None
    """what the model's ControlNets read of the enlarged input: nothing (``none``), the ``image`` itself, its canny
    ``edges``, or ``both``"""
    edge_share: float = 0.3
    """k: a later stage's ControlNets see the canny edges of the stage before; gradients from (1 - k) to (1 + k) times
    the median of its values are weak and strong ones"""
    guide: str = "none"
    """``structure``: at every step the low frequencies of what is predicted are drawn to the coarse latent's, wholly at
    first and hardly at last (ScaleDiff); or ``none``"""
    low_band: float = 0.125
    """share of the frequencies that are low: one over a whole number of latent pixels, which divides the region"""
    image_prompts: str = "none"
    """pictures that prompt each tile, by the model's IP-Adapter: ``tile``, the enlarged input under it; ``textures``,
    the nearest of a memory of sharp textures (--textures); or ``none``"""
    texture_count: int = 4
    """K: textures that prompt each tile"""
    texture_likeness: bool = False
    """whether each texture counts by its likeness to the tile (PatchScaler's Algorithm 1)"""
    crops: str | None = None
    """what SDXL is told of each tile: ``none``, it is a picture of its own; ``tile``, it is a crop of the output, which
    is the default of linear ``stages``"""
    stages: str = "one"
    """the sizes that a picture made from words grows through: ``linear``, once, twice, three times the native size and
    so on (DemoFusion); ``double``, each twice the one before (ScaleDiff); ``one``, the whole output at once. The run
    of an image is one stage, whatever this, ``lift`` and ``anchor`` say"""
    restart: float = 1.0
    """share of the steps that run where a picture is begun from: in stages after the first, and in those of an image;
    beside strength"""
    lift: str = "latent"
    """what a stage begins from: the ``latent`` of the stage before, enlarged; its ``pixels``, enlarged and encoded; or
    ``mixed``, low frequencies of the one and high ones of the other"""
    skip: float = 0.0
    """power of the cosine by which a stage's noised start is mixed into each step; 0 mixes none in (DemoFusion)"""
    dilated: float = 0.0
    """power of the cosine by which predictions for dilated samples count beside the tiles'; 0 takes no samples"""
    dilation_window: int | None = None
    """latent pixels a side within which samples are gathered, a multiple of the model's native window; the whole canvas
    where None"""
    blur: float = 0.8
    """standard deviation of the blur that dilated samples are seen through, in latent pixels, at the first step"""
    blur_power: float = 1.0
    """power of the cosine by which the blur shrinks, to a hundredth; 0 keeps it"""
    interaction: bool = False
    """whether dilated samples exchange their pixels while the model sees them (AccDiffusion's window interaction)"""
    interaction_group: int = 0
    """samples that exchange among themselves, in their order; 0: all of a window. The published code: 16"""
    jitter: str = "none"
    """whether tiles move by up to a quarter of their overlap: at every ``step``, once a ``stage``, or ``none``"""
    anchor: bool = False
    """whether each stage's result gets the mean and deviation of the first stage's, over all channels and places"""
    compat: str = "none"
    """``official``: later batches of a step are scaled by the next step's sigma and edges are zeros, as the published
    code of DemoFusion and AccDiffusion has it; a defect, for comparison"""
    compat_batch: int = 16
    """tiles in one batch of that code: its results depend on it"""
    colour: str = "none"
    """``wavelet``: low frequencies of the result are the enlarged input's; ``adain``: so are each channel's mean and
    deviation over the whole picture; ``none``: the model's own"""
    codec_norm: str | None = None
    """what the autoencoder's group norms are given: each ``window``'s own statistics, the whole canvas's as a small
    copy of it has them (``fast``), or as it has them itself (``exact``, one pass over the canvas for every norm)"""
    window: int | None = None
    """latent pixels a side of a tile"""
    overlap: int | None = None
    """latent pixels that neighbouring tiles share, at least"""
    attend: str = "tiles"
    """how far self-attention reaches: over one of the ``tiles``, which are of the model's native size, or over a
    ``neighbourhood`` of that size round each place of a much larger tile (ScaleDiff's): then ``window`` is the region's
    side unless it is given, ``overlap`` half of attention_window, and a canvas of one window is one tile"""
    attention_window: int | None = None
    """latent pixels a side of a neighbourhood, and of the windows that have prompts of their own, which half overlap;
    the model's native window where None"""
    attention_jitter: bool = False
    """shift the neighbourhoods of every layer at every step by an offset of its own, of up to half a neighbourhood"""
    blend: str = "cosine"
    """weight of a prediction across its tile: uniform, cosine or gaussian"""
    region: int = 256
    """latent pixels a side of a region: the unit of work, of storage and of resuming"""
    batch: int | None = None
    """tiles in one forward pass; short batches are padded, so results never depend on how many were left"""
    dtype: str | None = None
    """number format of the model's weights and activations; latents and sums are float32 always"""
    attention: str = "auto"
    """torch's kernel for attention: ``auto``, ``math``, ``flash``, ``efficient`` or ``cudnn``"""
    channels_last: bool = False
    """convolutions with their channels last in memory; the embedded model's always are"""
    compile: bool = False
    """torch.compile for the denoiser: minutes once for each worker, then faster steps"""
    seed: int = 0
    """seed of all noise, 0 to 2^63 - 1"""
    value_range: tuple[float, float] | None = None
    """input values that become 0 and 1; the whole range of the image's number format where None"""
    keep_steps: int = 0
    """keep the latents of every k-th step; 0 deletes each once no task needs it"""

    def __post_init__(self) -> None:
        check_recipe(self)

    @property
    def options(self) -> Options:
        """How the denoiser is run."""
        return Options(compile=self.compile, channels_last=self.channels_last, attention=self.attention)

    @property
    def structures(self) -> tuple[str, ...]:
        """What ControlNets are shown, by the names of Conditioning.structure."""
        if self.structure in (None, "none"):
            return ()
        return ("image", "edges") if self.structure == "both" else (str(self.structure),)

    @property
    def low_cell(self) -> int:
        """Latent pixels a side of the cells of the low band's low-pass."""
        return cell_of(self.low_band)
