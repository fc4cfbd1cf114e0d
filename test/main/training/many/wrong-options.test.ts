// Wrong options of fitMany and its heads: found before anything is trained, with a message that says whose they are.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Engine, fitMany } from '#softshard/main/index.js';
import { failure } from '../../../failure.js';
import { clusters } from '../workbench.js';

const { inputs, targets, features, classes } = clusters(40, 3, 3, 1);
const shape = { features, classes };

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1 });
});
afterAll(() => engine.close());

const CASES: readonly (readonly [unknown, object, string, RegExp])[] = [
  [[], {}, 'heads', /it must be an array of the options of each head/],
  [7, {}, 'heads', /it must be an array/],
  [[{ C: 1 }, null], {}, 'heads[1]', /not an object of options/],
  [[{ C: 1 }, { C: -1 }], {}, 'heads[1].C', /heads\[1\]\.C is -1: it must be/],
  [[{ C: 1, l2: 1 }], {}, 'heads[0].l2', /leave one out/],
  [[{ C: 1 }, { c: 1 }], {}, 'heads[1].c', /has no option 'c'/],
  [[{}], {}, 'heads[0]', /neither C nor l2/],
  [[{ C: 1, epochs: 2 }], {}, 'heads[0].C', /does not know it/],
  [[{ C: 1, weight: [1] }], {}, 'heads[0].weight', /weight/],
  [[{ C: 1, signal: undefined }], {}, 'heads[0].signal', /options\.signal/],
  [[{ C: 1, validationSplit: 0.1 }], {}, 'heads[0].validationSplit', /compared on the same rows/],
  [[{ C: 1, oneStandardError: true }], { cv: 2 }, 'heads[0].oneStandardError', /which head is the best/],
  [[{ C: 1, warmStart: false }], {}, 'heads[0].warmStart', /begin at zero: leave it out$/],
  [[{ C: 1, split: {} }], {}, 'heads[0].split', /the same rows: leave it out$/],
  [[{ C: 1, features: 3 }], {}, 'heads[0].features', /to all heads \(options\.features\)$/],
  [
    [{ epochs: 2, earlyStopping: true }],
    {},
    'heads[0].earlyStopping',
    /give validationSplit or validation, or metric 'loss'/,
  ],
  [[{ C: 1 }], { cv: 1 }, 'options.cv', /from 2 to 1000/],
  [[{ C: 1 }], { cv: 41 }, 'options.cv', /of 40 rows/],
  [[{ C: 1 }], { cv: 5, validationSplit: 0.1 }, 'options.validationSplit', /leave the other out/],
  [[{ C: 1 }], { validationSplit: 0.001 }, 'options.validationSplit', /keeps none of 40 rows/],
  [[{ C: 1 }], { oneStandardError: true }, 'options.oneStandardError', /give cv/],
  [[{ C: 1 }], { rankBy: 'time' }, 'options.rankBy', /'loss', 'accuracy'/],
  [[{ C: 1 }], { path: 1 }, 'options.path', /true or false/],
  [[{ C: 1 }], { splitSeed: -1 }, 'options.splitSeed', /whole number/],
  [[{ C: 1 }], { folds: 5 }, 'options.folds', /has no option/],
  [[{ C: 1 }], { features: 7 }, 'inputs', /7/],
];

test.each(CASES)('heads %o with options %o', async (heads, options, argument, message) => {
  const error = await failure(() => fitMany(engine, inputs, targets, heads as [], { ...shape, ...options }));
  expect(error.message).toMatch(message);
  expect(error.argument).toBe(argument);
});
