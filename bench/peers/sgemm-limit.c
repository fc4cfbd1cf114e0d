// What OpenBLAS takes for the two matrix products of a training step, the yardstick of our products of many classes:
//
//   gcc -O2 bench/peers/sgemm-limit.c -o .bench/sgemm-limit -lopenblas && .bench/sgemm-limit 8192 768 1000
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 9 };

extern void openblas_set_num_threads(int threads);

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static float *random_matrix(size_t rows, size_t columns) {
  float *matrix = malloc(rows * columns * sizeof(float));
  if (matrix == NULL) exit(1);
  for (size_t i = 0; i < rows * columns; i++) matrix[i] = (float)drand48() - 0.5f;
  return matrix;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: %s rows features classes\n", arguments[0]);
    return 2;
  }
  const int rows = atoi(arguments[1]), features = atoi(arguments[2]), classes = atoi(arguments[3]);
  float *inputs = random_matrix(rows, features), *weights = random_matrix(features, classes);
  float *logits = random_matrix(rows, classes), *gradient = random_matrix(features, classes);
  for (int threads = 1; threads <= 2; threads++) {
    openblas_set_num_threads(threads);
    double ms[ROUNDS];
    for (int round = -1; round < ROUNDS; round++) {
      const double begin = now_ms();
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, classes, features, 1, inputs, features, weights,
                  classes, 0, logits, classes);
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, features, classes, rows, 1, inputs, features, logits,
                  classes, 0, gradient, classes);
      if (round >= 0) ms[round] = now_ms() - begin;
    }
    qsort(ms, ROUNDS, sizeof(double), by_value);
    const double median = ms[ROUNDS / 2];
    printf("%d threads: median %.1f ms, %.1f GFLOP/s\n", threads, median, 4e-6 * rows * features * classes / median);
  }
  return 0;
}
