// What the machine can do: softmax cross-entropy with its gradient, softmax and its logarithm, three passes a row, in
// intrinsics of AVX-512 or of AVX2 with FMA. Compiled and asked by c-limit.ts: requests are words on a line of the input,
// replies lines of JSON. WORK: crossEntropyGradient, softmax or logSoftmax.
//
//   prepare ROWS COLUMNS                 the values of rows-ours.ts
//   check WORK INDEX...                  the mean loss, or 0, and the elements at flat indices of what is written beside
//                                        the logits
//   run WORK THREADS IN_PLACE REPEATS    milliseconds of one computation, the mean of REPEATS; in place overwrites the logits
#define _GNU_SOURCE
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// V: a vector of LANES floats. partial(n): the mask of its first n lanes.
#if defined(__AVX512F__)
#define INSTRUCTIONS "AVX-512"
#define LANES 16
typedef __m512 V;
typedef __mmask16 Mask;
#define splat _mm512_set1_ps
#define load _mm512_loadu_ps
#define store _mm512_storeu_ps
#define add _mm512_add_ps
#define subtract _mm512_sub_ps
#define multiply _mm512_mul_ps
#define fma _mm512_fmadd_ps
#define larger _mm512_max_ps
#define maxOfLanes _mm512_reduce_max_ps
#define sumOfLanes _mm512_reduce_add_ps
#define roundToWhole(v) _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define timesPowerOfTwo _mm512_scalef_ps
static inline Mask partial(int n) { return (Mask)((1u << n) - 1); }
static inline V loadPartial(const float *p, Mask m, V fill) { return _mm512_mask_loadu_ps(fill, m, p); }
static inline void storePartial(float *p, Mask m, V v) { _mm512_mask_storeu_ps(p, m, v); }
static inline V keep(Mask m, V v) { return _mm512_maskz_mov_ps(m, v); }
#elif defined(__AVX2__) && defined(__FMA__)
#define INSTRUCTIONS "AVX2"
#define LANES 8
typedef __m256 V;
typedef __m256i Mask;
#define splat _mm256_set1_ps
#define load _mm256_loadu_ps
#define store _mm256_storeu_ps
#define add _mm256_add_ps
#define subtract _mm256_sub_ps
#define multiply _mm256_mul_ps
#define fma _mm256_fmadd_ps
#define larger _mm256_max_ps
#define roundToWhole(v) _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
static inline float maxOfLanes(V v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
static inline float sumOfLanes(V v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline V timesPowerOfTwo(V p, V n) {
  return multiply(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)));
}
static inline Mask partial(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline V keep(Mask m, V v) { return _mm256_and_ps(_mm256_castsi256_ps(m), v); }
static inline V loadPartial(const float *p, Mask m, V fill) {
  return _mm256_blendv_ps(fill, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}
static inline void storePartial(float *p, Mask m, V v) { _mm256_maskstore_ps(p, m, v); }
#else
#error "the limit is written for AVX-512 and AVX2"
#endif

// exp(d), d in [-87, 0]: 2^n times a Taylor polynomial of degree 6 in r = d - n ln 2, |r| <= ln 2 / 2 (1.2e-7 off at most).
static inline V exponential(V d) {
  V n = roundToWhole(multiply(d, splat(1.44269504f)));
  V r = fma(n, splat(-0.693147182f), d);
  V p = fma(splat(1 / 720.f), r, splat(1 / 120.f));
  p = fma(p, r, splat(1 / 24.f));
  p = fma(p, r, splat(1 / 6.f));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1));
  p = fma(p, r, splat(1));
  return timesPowerOfTwo(p, n);
}

static float rowMax(const float *row, long columns) {
  V m[4];
  for (int u = 0; u < 4; u++) m[u] = splat(-INFINITY);
  long j = 0;
  for (; j + 4 * LANES <= columns; j += 4 * LANES)
    for (int u = 0; u < 4; u++) m[u] = larger(m[u], load(row + j + u * LANES));
  for (; j + LANES <= columns; j += LANES) m[0] = larger(m[0], load(row + j));
  if (j < columns) m[1] = larger(m[1], loadPartial(row + j, partial(columns - j), splat(-INFINITY)));
  return maxOfLanes(larger(larger(m[0], m[1]), larger(m[2], m[3])));
}

/** The sum of exp(row - max), and where `stores` each of them in output, which may be the row. */
static inline __attribute__((always_inline)) float sumExponentials(
    int stores, float *output, const float *row, long columns, float max) {
  V shift = splat(max), sums[4];
  for (int u = 0; u < 4; u++) sums[u] = splat(0);
  long j = 0;
  for (; j + 4 * LANES <= columns; j += 4 * LANES) {
    V e[4];
    for (int u = 0; u < 4; u++) e[u] = exponential(subtract(load(row + j + u * LANES), shift));
    if (stores)
      for (int u = 0; u < 4; u++) store(output + j + u * LANES, e[u]);
    for (int u = 0; u < 4; u++) sums[u] = add(sums[u], e[u]);
  }
  for (; j + LANES <= columns; j += LANES) {
    V e = exponential(subtract(load(row + j), shift));
    if (stores) store(output + j, e);
    sums[0] = add(sums[0], e);
  }
  if (j < columns) {
    Mask rest = partial(columns - j);
    V e = exponential(subtract(loadPartial(row + j, rest, shift), shift));
    if (stores) storePartial(output + j, rest, e);
    sums[1] = add(sums[1], keep(rest, e));
  }
  return sumOfLanes(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

static void scaleRow(float *row, long columns, float factor) {
  V factors = splat(factor);
  long j = 0;
  for (; j + 4 * LANES <= columns; j += 4 * LANES)
    for (int u = 0; u < 4; u++) store(row + j + u * LANES, multiply(load(row + j + u * LANES), factors));
  for (; j + LANES <= columns; j += LANES) store(row + j, multiply(load(row + j), factors));
  if (j < columns) {
    Mask rest = partial(columns - j);
    storePartial(row + j, rest, multiply(loadPartial(row + j, rest, factors), factors));
  }
}

static void subtractFromRow(float *output, const float *row, long columns, float number) {
  V numbers = splat(number);
  long j = 0;
  for (; j + 4 * LANES <= columns; j += 4 * LANES)
    for (int u = 0; u < 4; u++) store(output + j + u * LANES, subtract(load(row + j + u * LANES), numbers));
  for (; j + LANES <= columns; j += LANES) store(output + j, subtract(load(row + j), numbers));
  if (j < columns) {
    Mask rest = partial(columns - j);
    storePartial(output + j, rest, subtract(loadPartial(row + j, rest, numbers), numbers));
  }
}

enum Work { GRADIENT, SOFTMAX, LOG_SOFTMAX, NO_WORK };
static const char *const NAMES[] = {"crossEntropyGradient", "softmax", "logSoftmax"};

static enum Work workOf(const char *name) {
  for (int work = 0; work < NO_WORK; work++)
    if (!strcmp(name, NAMES[work])) return work;
  return NO_WORK;
}

/**
 * results [rows × columns], which may be the logits: scale (softmax(logits) - one-hot(targets)), with the mean loss; softmax or
 * its logarithm, with 0.
 */
static double compute(
    enum Work work, float *results, const float *logits, const int32_t *targets, long rows, long columns) {
  float scale = 1.f / rows;
  double total = 0;
  // Some 16,384 elements at a time, as softshard shares rows out.
  long share = columns < 16384 ? 16384 / columns : 1;
#pragma omp parallel for schedule(dynamic, share) reduction(+ : total)
  for (long i = 0; i < rows; i++) {
    const float *row = logits + i * columns;
    float *output = results + i * columns;
    float targetLogit = row[targets[i]];
    float max = rowMax(row, columns);
    if (work == LOG_SOFTMAX) {
      float sum = sumExponentials(0, NULL, row, columns, max);
      subtractFromRow(output, row, columns, max + logf(sum));
      continue;
    }
    float sum = sumExponentials(1, output, row, columns, max);
    scaleRow(output, columns, (work == GRADIENT ? scale : 1) / sum);
    if (work == SOFTMAX) continue;
    output[targets[i]] -= scale;
    total += logf(sum) + max - targetLogit;
  }
  return total / rows;
}

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static float *logits, *results;
static int32_t *targets;
static long rows, columns;

static void prepare(void) {
  free(logits), free(results), free(targets);
  // Whole cache lines, as aligned_alloc demands.
  size_t bytes = ((size_t)rows * columns * sizeof(float) + 127) & ~(size_t)127;
  logits = aligned_alloc(128, bytes);
  results = aligned_alloc(128, bytes);
  targets = malloc(rows * sizeof(int32_t));
  if (!logits || !results || !targets) fputs("no memory\n", stderr), exit(1);
  for (size_t k = 0; k < (size_t)rows * columns; k++) logits[k] = (uint32_t)k * 0x9e3779b1u / 4294967296.0 * 8 - 4;
  memset(results, 0, bytes);
  for (long i = 0; i < rows; i++) targets[i] = (i * 7919 + 3) % columns;
}

static void check(char *words) {
  // A second thread would go on looking for work while the next request is timed.
  omp_set_num_threads(1);
  double loss = compute(workOf(strtok(words, " \n")), results, logits, targets, rows, columns);
  printf("{\"loss\": %.9g, \"values\": [", loss);
  const char *comma = "";
  for (char *word = strtok(NULL, " \n"); word; word = strtok(NULL, " \n"), comma = ", ")
    printf("%s%.9g", comma, results[atol(word)]);
  puts("]}");
}

int main(void) {
  printf("{\"compiler\": \"gcc %s\", \"instructions\": \"%s\"}\n", __VERSION__, INSTRUCTIONS);
  fflush(stdout);
  char *line = NULL;
  size_t length = 0;
  char work[32];
  int threads, inPlace, repeats;
  while (getline(&line, &length, stdin) > 0) {
    if (sscanf(line, "prepare %ld %ld", &rows, &columns) == 2) {
      prepare();
      puts("{}");
    } else if (!strncmp(line, "check ", 6)) {
      check(line + 6);
    } else if (sscanf(line, "run %31s %d %d %d", work, &threads, &inPlace, &repeats) == 4) {
      omp_set_num_threads(threads);
      double begin = seconds(CLOCK_MONOTONIC), cpuBegin = seconds(CLOCK_PROCESS_CPUTIME_ID);
      for (int k = 0; k < repeats; k++)
        compute(workOf(work), inPlace ? logits : results, logits, targets, rows, columns);
      double elapsed = seconds(CLOCK_MONOTONIC) - begin, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpuBegin;
      printf("{\"ms\": %.9g, \"cpuMs\": %.9g}\n", elapsed * 1e3 / repeats, cpu * 1e3);
    } else {
      puts("{\"error\": \"unknown request\"}");
    }
    fflush(stdout);
  }
}
