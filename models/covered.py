"""The operations with a cost rule, by kind."""

from collections.abc import Mapping
from typing import Final

# In addition to all that torch tags as pointwise. Those of `norm` match parts of names
# (native_batch_norm). `free` operations, like views, cost nothing.
COVERED: Final[Mapping[str, tuple[str, ...]]] = {
    "convolution": ("convolution", "_convolution"),
    "linear": (
        *("mm", "bmm", "mv", "linear", "addmm", "addmv", "baddbmm"),
        *("addbmm", "dot", "vdot", "addr", "_cdist_forward", "_trilinear"),
    ),
    "attention": (
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
    ),
    "recurrent": ("mkldnn_rnn_layer",),
    "norm": ("batch_norm", "layer_norm", "group_norm", "rms_norm"),
    "window pool": (
        *("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"),
        *("max_pool3d_with_indices", "avg_pool3d"),
        *("fractional_max_pool2d", "fractional_max_pool3d"),
    ),
    "pool": (
        *("_adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "sum", "amax"),
        *("_adaptive_avg_pool3d", "adaptive_max_pool3d", "amin", "max", "min", "aminmax"),
        *("argmax", "argmin", "any", "all", "prod", "nansum", "logsumexp", "count_nonzero"),
        *("var", "std", "var_mean", "std_mean", "norm", "linalg_vector_norm", "trace"),
        *("topk", "kthvalue", "median", "nanmedian", "mode"),
        *("nll_loss_forward", "nll_loss2d_forward"),
    ),
    "interpolation": (
        *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
        "_upsample_nearest_exact1d",
        "_upsample_nearest_exact2d",
        "_upsample_nearest_exact3d",
        *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"),
        *("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
        *("grid_sampler_2d", "grid_sampler_3d"),
    ),
    "fourier": ("_fft_r2c", "_fft_c2r", "_fft_c2c"),
    "sort": ("sort", "msort"),
    "elementwise": (
        *("_softmax", "_safe_softmax", "_log_softmax", "native_dropout", "bernoulli_"),
        *("hardswish", "hardswish_", "hardsigmoid", "hardsigmoid_"),
        *("_prelu_kernel", "glu", "log_sigmoid_forward", "rrelu_with_noise", "masked_fill_"),
        *("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"),
        *("binary_cross_entropy_with_logits", "complex", "polar", "linalg_cross", "renorm"),
        *("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
    ),
    "lookup": ("embedding",),
    "bag": ("_embedding_bag", "_embedding_bag_forward_only"),
    "rearrangement": (
        *("gather", "index", "_unsafe_index", "index_select", "take"),
        *("scatter", "scatter_", "scatter_add", "scatter_add_"),
        *("scatter_reduce", "scatter_reduce_", "index_put", "index_put_"),
        *("index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_"),
        *("masked_scatter", "masked_scatter_", "embedding_renorm_"),
        *("tril", "triu", "flip", "roll", "diag_embed", "affine_grid_generator"),
        *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"),
        *("cat", "stack", "constant_pad_nd", "repeat"),
        *("reflection_pad1d", "reflection_pad2d", "reflection_pad3d"),
        *("replication_pad1d", "replication_pad2d", "replication_pad3d"),
    ),
    "unfold": ("im2col", "col2im"),
    "discrete": ("searchsorted", "bucketize", "isin"),
    "draws": (
        *("rand_like", "randn_like", "randint_like", "uniform_", "normal_", "random_"),
        *("exponential_", "log_normal_", "cauchy_", "geometric_", "multinomial"),
    ),
    "moves": (*("clone", "copy_", "_to_copy", "fill", "fill_", "zero_"),),
    "free": (
        *("detach", "_unsafe_view", "_reshape_alias", "lift_fresh", "empty_like", "new_empty"),
        *("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"),
        *("unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk"),
        *("transpose_", "t_", "squeeze_", "unsqueeze_", "detach_"),
    ),
}

# Without `norm`, whose entries are parts of names.
KIND_OF: Final[Mapping[str, str]] = {
    name: kind for kind, names in COVERED.items() if kind != "norm" for name in names
}
