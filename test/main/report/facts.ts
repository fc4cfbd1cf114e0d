// Facts of runs that tests draw: complete ones, and hostile ones.
import type { Reports } from '#softshard/main/index.js';

export const HOSTILE_NAMES = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'; document.title = 'x'; //",
  '\u202eabc\u2066',
  '<!-- <b>&amp;</b>',
  'line\nfeed\u2028\0\ud800',
  'https://example.com/x.js',
];

const bins = (accuracy: number): readonly Reports.BinFacts[] =>
  Array.from({ length: 15 }, (_, i) => ({
    from: i / 15,
    to: (i + 1) / 15,
    rows: i < 3 ? 0 : i,
    accuracy: i < 3 ? null : Math.min(1, accuracy * (i / 15)),
    confidence: i < 3 ? null : (i + 0.5) / 15,
  }));

export function evaluationOf(classNames: readonly string[], hasMatrix = true): Reports.EvaluationFacts {
  const classes = classNames.length;
  return {
    of: 'test',
    rows: 10 * classes,
    loss: 0.51,
    lossStandardError: 0.01,
    accuracy: 0.8,
    majority: 0.1,
    correct: 8 * classes,
    classNames,
    perClass: classNames.map((name, index) => ({
      class: index,
      name,
      rows: 10,
      recall: 0.8,
      precision: (index % 10) / 10,
    })),
    confusion: hasMatrix
      ? classNames.map((_, row) => classNames.map((_, column) => (row === column ? 8 : (row + column) % 3)))
      : null,
    topConfusions: [{ target: 0, prediction: 1, rows: 2 }],
    worstRows: [{ row: 7, target: 0, prediction: 1, loss: null, confidence: 0.99 }],
    calibration: { expectedError: 0.02, maximumError: 0.1, bins: bins(1) },
    temperature: 1.5,
    beforeTemperature: {
      loss: 0.6,
      calibration: { expectedError: 0.08, maximumError: 0.2, bins: bins(0.8) },
    },
  };
}

/** Of training step by step, with everything that a run directory has. */
export function stepFacts(classNames: readonly string[], steps = 30): Reports.ReportFacts {
  return {
    config: {
      command: 'train',
      options: { data: `/data/${classNames[0]}.csv`, epochs: 3, name: classNames[1]! },
    },
    environment: {
      softshard: '0.1.0',
      cpu: classNames[0]!,
      threads: 2,
      data: [{ name: 'rows', path: `/data/${classNames[0]}.csv`, bytes: 1e6, sha256: 'ab'.repeat(32) }],
    },
    status: { state: 'failed', startedAt: '2026-01-02T03:04:05.678Z', cause: classNames[0]! },
    metrics: Array.from({ length: steps }, (_, i) => ({
      time: i,
      step: i + 1,
      'train/loss': i % 7 === 3 ? null : 1 / (i + 1),
      'my/metric': i,
      ...(i % 10 === 9 && { epoch: (i + 1) / 10, 'validation/loss': 0.5, 'validation/accuracy': 0.8 }),
    })),
    result: {
      loss: 0.4,
      testAccuracy: 0.8,
      testLoss: 0.5,
      bestEpoch: 2,
      classNames,
      durationMs: 1234,
      warnings: [{ code: 'x', message: classNames[0]! }],
      evaluation: evaluationOf(classNames),
    },
  };
}

export const solverFacts: Reports.ReportFacts = {
  config: { command: 'train', options: {} },
  metrics: [10, 1, 0.1, 0.001].map((gapRelative, i) => ({
    time: i,
    pass: 2 * i + 1,
    iteration: i,
    objective: 100 - i,
    'train/loss': 1 / (i + 1),
    gapRelative,
  })),
  result: {
    tol: 1e-3,
    gapRelative: 1e-3,
    converged: true,
    C: 1,
    scale: 'none',
    choice: {
      folds: 3,
      rows: 1000,
      passes: 12.5,
      tried: [0.1, 1, 10].map((C) => ({ scale: 'none', C, loss: 0.5, standardError: 0.01, accuracy: 0.8 })),
    },
  },
};

export const sweepFacts: Reports.ReportFacts = {
  config: { command: 'sweep', options: { data: 'x.npy' } },
  result: {
    best: 1,
    cv: 3,
    heads: [1, 0, 2].map((head) => ({
      head,
      options: { C: 10 ** (head - 1), scale: head === 2 ? 'standard' : 'none' },
      loss: head === 2 ? null : 0.5,
      lossError: 0.01,
      accuracy: 0.8,
      losses: [0.4, 0.5, 0.6],
      accuracies: [0.7, 0.8, 0.9],
      passes: [10, 11, 12],
      error: head === 2 ? '</td>diverged' : null,
    })),
  },
};
