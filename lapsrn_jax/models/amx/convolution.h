// A 3x3 convolution of 64 channels on AMX, in bfloat16, and the gradient of its kernel.
//
// A map holds the features of one image as [pixels, 64]. The image has a border of zeros, one pixel wide; its rows lie
// one after another; and there are spare pixels before and after it. The neighbour of any pixel in the direction of a
// tap is therefore a fixed number of pixels away, and a convolution is a sum of nine matrix products with shifted maps.
// It computes whole blocks of 32 pixels and sets those outside the image to 0.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

using bf16 = uint16_t;

constexpr int kChannels = 64, kTaps = 9, kKernel = kTaps * kChannels * kChannels;
constexpr int kTile = 16 * 32;  // elements of a tile in bfloat16: 16 rows of 64 bytes
constexpr int kLead = 32;       // spare pixels before and after an image and its border
constexpr int kChunk = 8;       // blocks of 32 pixels whose features stay in the cache for the gradient of a kernel

struct Geometry {
  int height, width;
  int row;                   // pixels of a row with its border
  int outputs;               // pixels that a convolution computes, from the border left of the first row on
  int pixels;                // of a map
  std::vector<char> inside;  // for each output, whether it lies in the image

  Geometry(int height, int width)
      : height(height), width(width), row(width + 2), outputs((height * row + 31) / 32 * 32),
        pixels(2 * kLead + 2 * row + outputs), inside(outputs) {
    for (int j = 0; j < height * row; ++j) inside[j] = j % row >= 1 && j % row <= width;
  }
  size_t image_size() const { return size_t(height) * width * kChannels; }
  size_t map_size() const { return size_t(pixels) * kChannels; }
  size_t in_image(int j) const { return size_t(j / row * width + j % row - 1) * kChannels; }
  size_t in_map(int j) const { return size_t(kLead + row + j) * kChannels; }
  int shift(int tap) const { return (tap / 3 - 1) * row + tap % 3 - 1; }
};

template <typename T>
struct Array {  // aligned to cache lines, not initialised
  T* data;
  explicit Array(size_t size) : data(static_cast<T*>(std::aligned_alloc(64, (size * sizeof(T) + 63) / 64 * 64))) {
    if (!data) throw std::bad_alloc();
  }
  ~Array() { std::free(data); }
  Array(const Array&) = delete;
};

struct Pair {  // 32 channels of a pixel
  __m512 low, high;
};

static __m512 load16(const bf16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
static Pair load(const bf16* p) { return {load16(p), load16(p + 16)}; }
static void store(bf16* p, Pair x) {
  _mm512_storeu_si512(p, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(x.high, x.low)));
}
static void store_zeros(bf16* p) { _mm512_storeu_si512(p, _mm512_setzero_si512()); }
static Pair add(Pair x, Pair y) { return {_mm512_add_ps(x.low, y.low), _mm512_add_ps(x.high, y.high)}; }

// Adds to the tiles 0 to 3, as a 2 x 2 matrix, the products of 32 rows of `a`, `stride` elements apart, and two tiles.
static void add_products(const bf16* a, int stride, const bf16* tiles) {
  _tile_loadd(4, a, 2 * stride);
  _tile_loadd(6, tiles, 64);
  _tile_loadd(7, tiles + kTile, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_loadd(5, a + 16 * stride, 2 * stride);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// Convolves a map. `epilogue(j, channel, sums)` gets 32 channels, from `channel` on, of each output pixel j.
template <typename Epilogue>
static void convolve(const Geometry& geometry, const bf16* map, const bf16* kernel, Epilogue epilogue) {
  alignas(64) float sums[32][32];
  for (int half = 0; half < 2; ++half) {  // of the output channels: their part of the kernel stays in the L1 cache
    for (int j = 0; j < geometry.outputs; j += 32) {
      _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
      const bf16* b = kernel + half * kKernel / 2;
      for (int tap = 0; tap < kTaps; ++tap) {
        const bf16* a = map + geometry.in_map(j) + ptrdiff_t(geometry.shift(tap)) * kChannels;
        for (int k = 0; k < 2; ++k, a += 32, b += 2 * kTile) {
          add_products(a, kChannels, b);
        }
      }
      _tile_stored(0, sums[0], 128); _tile_stored(1, sums[0] + 16, 128);
      _tile_stored(2, sums[16], 128); _tile_stored(3, sums[16] + 16, 128);
      for (int p = 0; p < 32; ++p) {
        epilogue(j + p, 32 * half, Pair{_mm512_load_ps(sums[p]), _mm512_load_ps(sums[p] + 16)});
      }
    }
  }
}

static void transpose(__m512i r[16]) {  // 16 x 16 words of 32 bits
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
  }
}

// Takes element index(i) of the 64 in `a` and `b` for each i.
template <typename Index>
static __m512i pick(__m512i a, __m512i b, Index index) {
  alignas(64) uint16_t indices[32];
  for (int i = 0; i < 32; ++i) indices[i] = index(i);
  return _mm512_permutex2var_epi16(a, _mm512_load_si512(indices), b);
}

// Transposes a map: [pixels, 64] to [64, stride].
static void transpose_map(const bf16* map, int pixels, bf16* result, int stride) {
  for (int p = 0; p + 32 <= pixels; p += 32) {
    for (int c = 0; c < kChannels; c += 32) {
      __m512i r[2][16];
      for (int block = 0; block < 2; ++block) {
        for (int i = 0; i < 16; ++i) r[block][i] = _mm512_loadu_si512(map + (p + 16 * block + i) * kChannels + c);
        transpose(r[block]);  // of pairs of channels
      }
      for (int i = 0; i < 16; ++i) {
        bf16* out = result + ptrdiff_t(c + 2 * i) * stride + p;
        _mm512_store_si512(out, pick(r[0][i], r[1][i], [](int n) { return 2 * n; }));
        _mm512_store_si512(out + stride, pick(r[0][i], r[1][i], [](int n) { return 2 * n + 1; }));
      }
    }
  }
}

// Makes the tiles of a right factor: [pixels, 64] to [pixels / 32, 4, 16 pairs of pixels, 16 channels, 2].
static void pair_pixels(const bf16* outputs, int pixels, bf16* tiles) {
  for (int p = 0; p < pixels; p += 2) {
    for (int c = 0; c < kChannels; c += 32) {
      const __m512i a = _mm512_load_si512(outputs + p * kChannels + c);
      const __m512i b = _mm512_load_si512(outputs + (p + 1) * kChannels + c);
      bf16* out = tiles + (p / 32 * 4 + c / 16) * kTile + p % 32 * 16;
      _mm512_store_si512(out, pick(a, b, [](int n) { return n / 2 + n % 2 * 32; }));
      _mm512_store_si512(out + kTile, pick(a, b, [](int n) { return n / 2 + n % 2 * 32 + 16; }));
    }
  }
}

// Adds the gradient of a kernel to sums [9, 4, 4, 16, 16]: for each tap, the product of the transposed, shifted input
// of a convolution and the gradient of its outputs (in tiles).
static void add_kernel_gradient(const Geometry& geometry, const bf16* input, int stride, const bf16* g, float* sums) {
  const int blocks = geometry.outputs / 32;
  for (int begin = 0; begin < blocks; begin += kChunk) {
    for (int tap = 0; tap < kTaps; ++tap) {
      for (int i = 0; i < 4; i += 2) {
        for (int o = 0; o < 4; o += 2) {
          float* c = sums + ((tap * 4 + i) * 4 + o) * 256;
          _tile_loadd(0, c, 64); _tile_loadd(1, c + 256, 64);
          _tile_loadd(2, c + 4 * 256, 64); _tile_loadd(3, c + 5 * 256, 64);
          for (int k = begin; k < std::min(blocks, begin + kChunk); ++k) {
            const bf16* a = input + ptrdiff_t(16 * i) * stride + kLead + geometry.row + 32 * k + geometry.shift(tap);
            add_products(a, stride, g + (4 * k + o) * kTile);
          }
          _tile_stored(0, c, 64); _tile_stored(1, c + 256, 64);
          _tile_stored(2, c + 4 * 256, 64); _tile_stored(3, c + 5 * 256, 64);
        }
      }
    }
  }
}

