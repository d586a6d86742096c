"""All settings of a run, with the CMS-LapSRN paper's values where it gives them (sections 3 and 4).

The other configs change some of these settings. On the command line, write --config.training.steps=1000.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()
    config.seed = 0  # seed of the initial parameters, the order of the photographs and the patches
    config.start = ""  # run or weights to initialise from; recursions and schedule may differ

    config.model = ml_collections.ConfigDict()
    config.model.name = "pyramid"
    config.model.features = 64
    config.model.depth = 5
    config.model.recursions = 8
    config.model.skip = "source"
    config.model.use_bias = False  # the paper's parameter counts exclude biases
    config.model.tying = tying()

    config.data = ml_collections.ConfigDict()
    config.data.train = "data/DIV2K/DIV2K_train_HR"  # folders, "div2k:FOLDER", "bundled"
    config.data.validation = "bundled"  # folders, "div2k:FOLDER", "bundled"; "" for none
    config.data.hold_out = 0  # 10 holds out a tenth of data.train for validation; 0 for none
    config.data.scales = (4,)  # several scales share each batch
    config.data.patch_size = 512  # side of a patch, in HR pixels
    config.data.batch_size = 16  # samples per batch, over all devices
    config.data.degradation = ml_collections.ConfigDict()  # of the LR images: see data/degradation.py
    config.data.degradation.share = 0.0  # of the samples; the others stay clean
    config.data.degradation.blur = 0.3  # probability in a degraded sample
    config.data.degradation.noise = 0.5
    config.data.degradation.jpeg = 0.9
    config.data.degradation.skew = 2.0  # towards high JPEG qualities; 1 for none
    config.data.full_range = 0.0  # share of the samples whose luminance is stretched to [0, 1], as in gray pictures
    config.data.masks = 0.0  # share of the samples that are smooth masks of black and white instead of photographs
    config.data.workers = 0  # processes that make batches; 0 uses threads

    config.loss = ml_collections.ConfigDict()  # Charbonnier loss, plus
    config.loss.fourier = 0.0  # this weight times the distance between the spectra

    config.optimizer = ml_collections.ConfigDict()  # AdamW; the paper gives only its weight decay
    config.optimizer.learning_rate = 3e-4
    config.optimizer.final_learning_rate = 1e-6
    config.optimizer.muon_learning_rate = 0.0  # for kernels with several inputs and outputs; 0 uses AdamW for them too
    config.optimizer.schedule = "cosine"  # "cosine", "constant" or "cooldown": see training/state.py
    config.optimizer.warmup = 0.02  # fraction of all steps
    config.optimizer.weight_decay = 1e-4
    config.optimizer.clip_norm = 1.0  # limit for the global norm of the gradient; 0 for none
    config.optimizer.ema_decay = 0.999  # of the averaged weights, which are saved; 0 for no average

    config.training = ml_collections.ConfigDict()
    config.training.steps = 300_000
    config.training.log_every = 100
    config.training.checkpoint_every = 1000  # also validates and writes weights.safetensors
    config.training.keep = 3  # number of checkpoints
    config.training.max_skipped = 10  # consecutive steps with a loss that is not finite before the run stops
    config.training.dtype = "float32"  # of the features; use "bfloat16" on GPUs and on CPUs with AMX
    config.training.remat = False  # True needs a quarter of the memory and a third more work (docs/memory.md)
    config.training.accumulate = 1  # number of parts to split a batch into; less memory, the same result
    return config


def tying() -> ml_collections.ConfigDict:
    """Returns the tying of CMS-LapSRN (3rd ConV), in the adjoint orientation: see lapsrn_jax/models/tying.py."""
    tying = ml_collections.ConfigDict()
    tying.layer = 3
    tying.swap_channels = True
    tying.flip_taps = True
    tying.gradient = "both"
    tying.strength = "hard"
    tying.penalty = 0.0
    tying.bias = "own"
    return tying
