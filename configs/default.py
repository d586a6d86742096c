"""All settings of a run, with the CMS-LapSRN paper's values wherever it gives one (sections 3 and 4).

Every other config changes some of these. On the command line: --config.training.steps=1000
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.seed = 0  # of the first parameters, the order of the photographs, the patches
    config.start = ""  # a run folder or a weights file to begin from, as another model's recursions or another rate ask

    config.model = ml_collections.ConfigDict()
    config.model.name = "pyramid"
    config.model.features = 64
    config.model.depth = 5
    config.model.recursions = 8
    config.model.skip = "source"
    config.model.use_bias = False  # the paper's parameter counts have none
    config.model.tying = tying()

    config.data = ml_collections.ConfigDict()
    config.data.train = "data/DIV2K/DIV2K_train_HR"  # folders, "div2k:FOLDER", "bundled"
    config.data.validation = "bundled"  # folders, "div2k:FOLDER", "bundled"; "" for none
    config.data.hold_out = 0  # as 10: a tenth of the photographs of data.train go to validation instead; 0 for none
    config.data.scales = (4,)  # with several, the batch is split among them
    config.data.patch_size = 512  # HR pixels
    config.data.batch_size = 16  # in all, over all devices
    config.data.workers = 0  # processes that make batches; 0 for threads of this one

    config.loss = ml_collections.ConfigDict()  # Charbonnier, and
    config.loss.fourier = 0.0  # this much of the distance between the spectra

    config.optimizer = ml_collections.ConfigDict()  # AdamW; the paper gives its weight decay alone
    config.optimizer.learning_rate = 3e-4
    config.optimizer.final_learning_rate = 1e-6
    config.optimizer.muon_learning_rate = 0.0  # of kernels with several inputs and outputs; 0: AdamW moves them too
    config.optimizer.schedule = "cosine"  # or "constant", or "cooldown" after it: see training/state.py
    config.optimizer.warmup = 0.02  # of all steps
    config.optimizer.weight_decay = 1e-4
    config.optimizer.clip_norm = 1.0  # of the whole gradient; 0 for none
    config.optimizer.ema_decay = 0.999  # of the averaged weights that are handed out; 0 for none

    config.training = ml_collections.ConfigDict()
    config.training.steps = 300_000
    config.training.log_every = 100
    config.training.checkpoint_every = 1000  # validation and weights.safetensors come with it
    config.training.keep = 3  # checkpoints
    config.training.max_skipped = 10  # steps in a row whose loss is not finite, before the run stops
    config.training.dtype = "float32"  # of the features; "bfloat16" is for GPUs
    config.training.remat = False  # True: a quarter of the memory, a third more work (docs/memory.md)
    config.training.accumulate = 1  # parts of a batch whose gradients are added up: less memory, the same result
    return config


def tying() -> ml_collections.ConfigDict:
    """CMS-LapSRN (3rd ConV), in the adjoint orientation: see lapsrn_jax/models/tying.py."""
    tying = ml_collections.ConfigDict()
    tying.layer = 3
    tying.swap_channels = True
    tying.flip_taps = True
    tying.gradient = "both"
    tying.strength = "hard"
    tying.penalty = 0.0
    tying.bias = "own"
    return tying
