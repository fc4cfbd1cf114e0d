// The block of memory that describes a call of cross-entropy with options: written by the host, read by both
// builds. Only syntax that both compilers know. Offsets in bytes; the block is 8-byte aligned.

/** Float64. Logits are divided by it (after the soft cap); 1: as they are. */
export const LOSS_TEMPERATURE: i32 = 0;
/** Float64. cap · tanh(z / cap); 0: no cap. */
export const LOSS_SOFTCAP: i32 = 8;
/** Float64. The factor of logSumExp²; 0: none. */
export const LOSS_Z_LOSS: i32 = 16;
/** Float64. Focal loss: each -log p is multiplied by (1 - p)^gamma; 0: plain cross-entropy. */
export const LOSS_FOCAL_GAMMA: i32 = 24;
/** Float64 in [0, 1]. */
export const LOSS_LABEL_SMOOTHING: i32 = 32;
/** Float64. The gradient's factor: 1 / weightSum for a mean, times gradScale. */
export const LOSS_SCALE: i32 = 40;
/** Int32. Rows with this target have a loss and a gradient of 0. */
export const LOSS_IGNORE_INDEX: i32 = 48;
/** Int32. 0: a target out of range ends the call with a status; 1: its row is ignored. */
export const LOSS_IGNORE_INVALID: i32 = 52;

// Addresses (0: not given). Arrays of one entry a row are those of the whole window, indexed by rowBegin + i; T is the
// element type of the kernel, float32 or float64.
/** Int32 [rows]; 0 with soft targets. */
export const LOSS_TARGETS: i32 = 56;
/** T [columns]: the weight of each class. */
export const LOSS_WEIGHT: i32 = 60;
/** T [rows]: the weight of each row. */
export const LOSS_SAMPLE_WEIGHT: i32 = 64;
/** T [rows]: the upstream gradient of each row's loss. */
export const LOSS_GRAD_LOSSES: i32 = 68;
/** Outputs. T [rows]: each row's loss, z-loss included. */
export const LOSS_LOSSES: i32 = 72;
/** T [rows]: logSumExp of the row. */
export const LOSS_LOG_SUM_EXP: i32 = 76;
/** Int32 [rows]: the lowest class of the largest logit; -1 for an ignored row. */
export const LOSS_ARG_MAX: i32 = 80;
/** Int32 [rows]: how many classes come before the target (as evaluateRows); -1 for an ignored row. Not with soft targets. */
export const LOSS_RANK: i32 = 84;
/** T [rows]: -Σ p log p. */
export const LOSS_ENTROPY: i32 = 88;
/** T [rows]: the target's logit less the largest other one. Not with soft targets. */
export const LOSS_MARGIN: i32 = 92;
/** T [rows]: the target's probability. Not with soft targets. */
export const LOSS_TARGET_PROBABILITY: i32 = 96;

/** Int32. 1: a share of 0 of a class whose score is -Infinity makes the loss NaN, as in PyTorch; 0: it costs 0. */
export const LOSS_ZERO_IS_NAN: i32 = 100;

/** Length of the block. */
export const LOSS_CALL_BYTES: i32 = 104;

/** Where the rows of scratch start; before them lie a row's own numbers (assembly/losses/loss-scratch.ts). */
export const LOSS_SCRATCH_HEADER: i32 = 80;

/** Bytes of one row of scratch: whole vectors. */
export function lossScratchRowBytes(columns: i32, elementBytes: i32): i32 {
  const bytes = columns * elementBytes;
  const rest = bytes % 16;
  return rest === 0 ? bytes : bytes + 16 - rest;
}

/** Scratch of lossRows (4 bytes an element) and lossRows64 (8): at most four rows and their numbers. */
export function lossScratchBytes(columns: i32, elementBytes: i32): i32 {
  return LOSS_SCRATCH_HEADER + 4 * lossScratchRowBytes(columns, elementBytes);
}

/** Element types of tiles in memory, for loadTile and storeTile. */
export const TYPE_FLOAT32: i32 = 0;
export const TYPE_FLOAT64: i32 = 1;
export const TYPE_BFLOAT16: i32 = 2;
export const TYPE_FLOAT16: i32 = 3;

/**
 * Up to this many columns softmaxColumns and the like, which do not transpose, are faster. Measured on one
 * thread of Node 24 against loadTile, the row kernel and storeTile, float32, inner 49 and 1024: 5 times as
 * fast with 2 columns, 1.5 with 4 and 10, 2 to 3 with 21, 1.5 with 32 and 50, but 0.6 to 1.4 with 100 and 0.9
 * to 1.1 with 1000.
 */
export const COLUMN_KERNELS_MAX: i32 = 64;

/** Scratch of softmaxColumns and the like. */
export function columnScratchBytes(columns: i32): i32 {
  return 64 * (columns + 4);
}
