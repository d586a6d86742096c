// The recursive block of one level on AMX: all its recursions, forward and backward, as functions for XLA.
//
// A thread computes whole images: most of what it needs stays in its cache. Sums are float32, and their order does not
// depend on the number of threads.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "convolution.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

constexpr float kSlope = 0.2f;  // of the leaky ReLU for x <= 0 (at 0, its gradient in JAX is the mean of both slopes)

static __m512 leaky_relu(__m512 x) { return _mm512_max_ps(x, _mm512_mul_ps(x, _mm512_set1_ps(kSlope))); }
static Pair leaky_relu(Pair x) { return {leaky_relu(x.low), leaky_relu(x.high)}; }
static __m512 leaky_relu_gradient(__m512 activated, __m512 g) {
  const __mmask16 negative = _mm512_cmp_ps_mask(activated, _mm512_setzero_ps(), _CMP_LE_OQ);
  return _mm512_mask_mul_ps(g, negative, g, _mm512_set1_ps(kSlope));
}

static void clear_around_outputs(const Geometry& geometry, bf16* map) {
  std::memset(map, 0, geometry.in_map(0) * sizeof(bf16));
  const size_t end = geometry.in_map(geometry.outputs);
  std::memset(map + end, 0, (geometry.map_size() - end) * sizeof(bf16));
}

// Writes the activated inputs of all convolutions to `inputs`, one map after another.
static void forward_image(const Geometry& geometry, const bf16* source, const bf16* kernels, int depth, int recursions,
                          bf16* features, bf16* inputs) {
  const int convolutions = depth * recursions;
  for (int n = 0; n < convolutions; ++n) clear_around_outputs(geometry, inputs + n * geometry.map_size());
  for (int j = 0; j < geometry.outputs; ++j) {
    for (int c = 0; c < kChannels; c += 32) {
      bf16* out = inputs + geometry.in_map(j) + c;
      if (geometry.inside[j]) store(out, leaky_relu(load(source + geometry.in_image(j) + c)));
      else store_zeros(out);
    }
  }
  for (int n = 0; n < convolutions; ++n) {
    const bf16* in = inputs + n * geometry.map_size();
    bf16* next = n + 1 < convolutions ? inputs + (n + 1) * geometry.map_size() : nullptr;
    const bool end_of_recursion = n % depth == depth - 1;
    convolve(geometry, in, kernels + size_t(n % depth) * kKernel, [&](int j, int c, Pair x) {
      if (!geometry.inside[j]) {
        if (next) store_zeros(next + geometry.in_map(j) + c);
        return;
      }
      if (end_of_recursion) x = add(x, load(source + geometry.in_image(j) + c));
      if (next) store(next + geometry.in_map(j) + c, leaky_relu(x));
      else store(features + geometry.in_image(j) + c, x);
    });
  }
}

// Sets `to_source` and the sums of `add_kernel_gradient` for each kernel.
static void backward_image(const Geometry& geometry, const bf16* g, const bf16* inputs, const bf16* turned_kernels,
                           int depth, int recursions, bf16* to_source, float* to_kernels) {
  const int stride = (geometry.pixels + 63) / 64 * 64 + 32;  // an odd number of cache lines: no two rows share a set
  Array<bf16> first(geometry.map_size()), second(geometry.map_size());
  Array<bf16> transposed(size_t(stride) * kChannels), tiles(size_t(geometry.outputs) * kChannels);
  Array<float> skipped(size_t(geometry.outputs) * kChannels);  // the gradient that reaches the source by the skips
  std::memset(skipped.data, 0, size_t(geometry.outputs) * kChannels * sizeof(float));
  std::memset(to_kernels, 0, size_t(depth) * kKernel * sizeof(float));
  clear_around_outputs(geometry, first.data);
  clear_around_outputs(geometry, second.data);

  bf16 *now = first.data, *next = second.data;  // the gradient of a convolution's outputs, and of the one's before it
  for (int j = 0; j < geometry.outputs; ++j) {
    for (int c = 0; c < kChannels; c += 32) {
      bf16* out = now + geometry.in_map(j) + c;
      if (geometry.inside[j]) store(out, load(g + geometry.in_image(j) + c));
      else store_zeros(out);
    }
  }
  for (int n = depth * recursions - 1; n >= 0; --n) {
    if (n % depth == depth - 1) {
      for (size_t i = 0; i < size_t(geometry.outputs) * kChannels; i += 16) {
        float* sum = skipped.data + i;
        _mm512_store_ps(sum, _mm512_add_ps(load16(now + geometry.in_map(0) + i), _mm512_load_ps(sum)));
      }
    }
    const bf16* in = inputs + n * geometry.map_size();
    transpose_map(in, geometry.pixels, transposed.data, stride);
    pair_pixels(now + geometry.in_map(0), geometry.outputs, tiles.data);
    add_kernel_gradient(geometry, transposed.data, stride, tiles.data, to_kernels + size_t(n % depth) * kKernel);
    convolve(geometry, now, turned_kernels + size_t(n % depth) * kKernel, [&](int j, int c, Pair x) {
      const size_t at = geometry.in_map(j) + c;
      if (!geometry.inside[j]) return store_zeros(next + at);
      const Pair activated = load(in + at);
      store(next + at, {leaky_relu_gradient(activated.low, x.low), leaky_relu_gradient(activated.high, x.high)});
    });
    std::swap(now, next);
  }
  for (int j = 0; j < geometry.outputs; ++j) {
    if (!geometry.inside[j]) continue;
    for (int c = 0; c < kChannels; c += 32) {
      const float* sum = skipped.data + size_t(j) * kChannels + c;
      const Pair total = add({_mm512_load_ps(sum), _mm512_load_ps(sum + 16)}, load(now + geometry.in_map(j) + c));
      store(to_source + geometry.in_image(j) + c, total);
    }
  }
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

static ffi::Error out_of_memory() { return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory"); }

// Runs task(0) to task(n - 1) on this thread and on those of the pool that are free.
static ffi::Error in_parallel(ffi::ThreadPool& pool, int n, std::function<void(int)> task) {
  struct Work {
    std::function<void(int)> task;
    int n;
    std::atomic<int> next{0}, done{0};
    std::atomic<bool> failed{false};
    void run() {
      if (next >= n) return;  // a thread that comes too late must not call `task`
      static constexpr TileConfig config{};
      _tile_loadconfig(&config);
      for (int i; (i = next++) < n; ++done) {
        try {
          task(i);
        } catch (const std::bad_alloc&) {
          failed = true;
        }
      }
      _tile_release();
    }
  };
  auto work = std::make_shared<Work>();
  work->task = std::move(task);
  work->n = n;
  for (int i = 1; i < std::min<int>(n, pool.num_threads()); ++i) pool.Schedule([work] { work->run(); });
  work->run();
  while (work->done < n) std::this_thread::yield();
  return work->failed ? out_of_memory() : ffi::Error::Success();
}

using Bf16 = ffi::Buffer<ffi::BF16>;
using F32 = ffi::Buffer<ffi::F32>;

static const bf16* elements(const Bf16& x) { return static_cast<const bf16*>(x.untyped_data()); }
static bf16* elements(ffi::Result<Bf16>& x) { return static_cast<bf16*>(x->untyped_data()); }

static ffi::Error forward(ffi::ThreadPool pool, Bf16 source, Bf16 kernels, ffi::Result<Bf16> features,
                          ffi::Result<Bf16> inputs) {
  const int n = source.dimensions()[0], depth = kernels.dimensions()[0], maps = inputs->dimensions()[1];
  const Geometry geometry(source.dimensions()[1], source.dimensions()[2]);
  const size_t image = geometry.image_size(), saved = maps * geometry.map_size();
  if (inputs->element_count() != n * saved) return ffi::Error::InvalidArgument("the inputs have a wrong size");
  return in_parallel(pool, n, [&](int i) {
    forward_image(geometry, elements(source) + i * image, elements(kernels), depth, maps / depth,
                  elements(features) + i * image, elements(inputs) + i * saved);
  });
}

static ffi::Error backward(ffi::ThreadPool pool, Bf16 g, Bf16 inputs, Bf16 turned_kernels, ffi::Result<Bf16> to_source,
                           ffi::Result<F32> to_kernels) {
  const int n = g.dimensions()[0], depth = turned_kernels.dimensions()[0], maps = inputs.dimensions()[1];
  const Geometry geometry(g.dimensions()[1], g.dimensions()[2]);
  const size_t image = geometry.image_size(), saved = maps * geometry.map_size(), kernels = size_t(depth) * kKernel;
  if (inputs.element_count() != n * saved) return ffi::Error::InvalidArgument("the inputs have a wrong size");
  std::unique_ptr<Array<float>> sums;  // of each image
  try {
    sums = std::make_unique<Array<float>>(n * kernels);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  ffi::Error error = in_parallel(pool, n, [&](int i) {
    backward_image(geometry, elements(g) + i * image, elements(inputs) + i * saved, elements(turned_kernels), depth,
                   maps / depth, elements(to_source) + i * image, sums->data + i * kernels);
  });
  float* total = to_kernels->typed_data();
  std::fill_n(total, kernels, 0.0f);
  for (int i = 0; i < n; ++i) {
    for (size_t j = 0; j < kernels; ++j) total[j] += sums->data[i * kernels + j];
  }
  return error;
}

// Asks Linux for the tiles: 0, or -1 where there are none.
extern "C" int EnableTiles() { return syscall(SYS_arch_prctl, /* ARCH_REQ_XCOMP_PERM */ 0x1023, /* tile data */ 18); }

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Forward, forward,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Bf16>().Arg<Bf16>().Ret<Bf16>().Ret<Bf16>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    Backward, backward,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Bf16>().Arg<Bf16>().Arg<Bf16>().Ret<Bf16>().Ret<F32>());
