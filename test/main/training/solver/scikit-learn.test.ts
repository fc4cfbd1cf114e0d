// Optima of scikit-learn 1.9.1, LogisticRegression(solver='newton-cg', tol=1e-12), stored with the data.
import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { sharedEngines } from '../../../engines.js';
import { builds } from '../../../kernels/workbench.js';
import { largestDifference, type Problem } from '../workbench.js';
import { objectiveAt } from './minimum.js';

/** Iris: the four measurements of each flower in millimetres, two digits each; 50 flowers of each species. */
const IRIS =
  '51351402 49301402 47321302 46311502 50361402 54391704 46341403 50341502 44291402 49311501 54371502 48341602 48301401 43301101 58401202' +
  ' 57441504 54391304 51351403 57381703 51381503 54341702 51371504 46361002 51331705 48341902 50301602 50341604 52351502 52341402 47321602' +
  ' 48311602 54341504 52411501 55421402 49311502 50321202 55351302 49361401 44301302 51341502 50351303 45231303 44321302 50351606 51381904' +
  ' 48301403 51381602 46321402 53371502 50331402 70324714 64324515 69314915 55234013 65284615 57284513 63334716 49243310 66294613 52273914' +
  ' 50203510 59304215 60224010 61294714 56293613 67314414 56304515 58274110 62224515 56253911 59324818 61284013 63254915 61284712 64294313' +
  ' 66304414 68284814 67305017 60294515 57263510 55243811 55243710 58273912 60275116 54304515 60344516 67314715 63234413 56304113 55254013' +
  ' 55264412 61304614 58264012 50233310 56274213 57304212 57294213 62294313 51253011 57284113 63336025 58275119 71305921 63295618 65305822' +
  ' 76306621 49254517 73296318 67255818 72366125 65325120 64275319 68305521 57255020 58285124 64325323 65305518 77386722 77266923 60225015' +
  ' 69325723 56284920 77286720 63274918 67335721 72326018 62284818 61304918 64285621 72305816 74286119 79386420 64285622 63285115 61265614' +
  ' 77306123 63345624 64315518 60304818 69315421 67315624 69315123 58275119 68325923 67335725 67305223 63255019 65305220 62345423 59305118';

const FEATURES = 4;
const ALL = Float32Array.from(
  IRIS.split(' ').flatMap((row) => row.match(/../g) ?? []),
  (text) => Number(text) / 10,
);

const range = (begin: number, end: number) => Array.from({ length: end - begin }, (_, i) => begin + i);

/** The flowers with these numbers, of the species from `first` on. */
function irisOf(rows: readonly number[], first: number, classes: number): Problem {
  const inputs = Float32Array.from(
    rows.flatMap((row) => [...ALL.subarray(row * FEATURES, (row + 1) * FEATURES)]),
  );
  const targets = Int32Array.from(rows, (row) => Math.floor(row / 50) - first);
  return { inputs, targets, rows: rows.length, features: FEATURES, classes };
}

const PROBLEMS = {
  three: irisOf(range(0, 150), 0, 3),
  two: irisOf(range(50, 150), 1, 2),
  'uneven, balanced': irisOf([...range(0, 80), ...range(100, 110)], 0, 3),
};

/** C, the objective, and coef_ [classes × features], of two classes [features]. */
const OPTIMA: readonly (readonly [keyof typeof PROBLEMS, number, number, readonly number[]])[] = [
  [
    'three',
    0.01,
    112.45372487264784,
    [
      -0.136825209, 0.096066477, -0.434835482, -0.178320959, -0.000998307071, -0.102397985, 0.0866581807,
      -0.00340243616, 0.137823516, 0.00633150782, 0.348177302, 0.181723395,
    ],
  ],
  [
    'three',
    1,
    28.88631660597611,
    [
      -0.423509891, 0.967350562, -2.51715242, -1.07933667, 0.534461464, -0.321587847, -0.206392122,
      -0.944298348, -0.110951573, -0.645762715, 2.72354454, 2.02363502,
    ],
  ],
  [
    'three',
    100,
    7.387134991197054,
    [
      -0.391737306, 3.41358387, -6.4030304, -3.51015052, 1.35658392, 0.444630313, -0.513417154, -4.41333287,
      -0.964846614, -3.85821418, 6.91644756, 7.92348339,
    ],
  ],
  ['two', 0.01, 62.88176648223379, [0.115735367, 0.0349746616, 0.256659093, 0.145278802]],
  ['two', 1, 24.054662081516803, [-0.394433419, -0.513277392, 2.93075149, 2.41703205]],
  ['two', 100, 7.367267594413352, [-2.30527314, -3.949197, 7.26735508, 11.2831367]],
  [
    'uneven, balanced',
    0.01,
    73.27453989460784,
    [
      -0.109200916, 0.0682064414, -0.333379047, -0.134417112, 0.0271747891, -0.0612994814, 0.0572957628,
      0.00783562158, 0.0820261271, -0.00690696006, 0.276083284, 0.126581491,
    ],
  ],
  [
    'uneven, balanced',
    1,
    18.692832045985078,
    [
      -0.348909967, 0.823337368, -2.1831534, -0.894385545, 0.877658334, -0.274897478, -0.362709037,
      -0.495351538, -0.528748367, -0.548439891, 2.54586244, 1.38973708,
    ],
  ],
  [
    'uneven, balanced',
    100,
    1.4578908095813983,
    [
      0.256317451, 3.24246322, -6.29563323, -2.66814376, 3.08811545, 0.468105565, -2.03347483, -1.88058147,
      -3.3444329, -3.71056878, 8.32910806, 4.54872523,
    ],
  ],
];

describe.each(builds)('full-batch solvers (%s)', (numerics) => {
  const engineFor = sharedEngines();

  test.each(OPTIMA)(
    '%s, C = %d: the objective is scikit-learn’s within 1e-6, evaluated in float64',
    async (name, C, optimum, coefficients) => {
      const problem = PROBLEMS[name];
      const { inputs, targets, rows, features, classes } = problem;
      const engine = await engineFor({ threads: 2, numerics });
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const balanced = name === 'uneven, balanced';
      const options: Training.FitOptions = { C, tol: 1e-8, ...(balanced && { weight: 'balanced' }) };
      const result = await classifier.fit(inputs, targets, options);
      const counts = range(0, classes).map((target) => targets.filter((each) => each === target).length);
      const loss = balanced ? { weight: counts.map((count) => rows / (classes * count)) } : {};
      const penalty = (classes === 2 ? 2 : 1) / C;
      const { objective } = objectiveAt(problem, loss, penalty, classifier.weights, classifier.bias);
      expect(Math.abs(objective / optimum - 1)).toBeLessThan(1e-6);
      expect(result.objective! - result.gap!).toBeLessThan(optimum * (1 + 1e-6));
      const { weights } = classifier;
      const own =
        classes === 2
          ? range(0, features).map((feature) => weights[feature * 2 + 1]! - weights[feature * 2]!)
          : range(0, classes).flatMap((column) =>
              range(0, features).map((feature) => weights[feature * 3 + column]!),
            );
      expect(largestDifference(own, coefficients)).toBeLessThan(
        2e-3 * Math.max(1, ...coefficients.map(Math.abs)),
      );
    },
  );
});
