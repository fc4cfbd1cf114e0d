// The model that a new user gets: fit without options against LogisticRegression(), by time and by what it knows of rows that
// it has not seen. softshard chooses C and scaling within its time; scikit-learn takes part with columns as they are and
// standardized.
import { join } from 'node:path';
import { repositoryFile } from '../result-files.js';
import { FIRST_MODEL } from '../targets.js';
import type { PeerOptions } from './options.js';
import { PeerProcess } from './peer-process.js';
import type { Pythons } from './python.js';
import type { Part } from './results.js';
import type { Sides } from './sides.js';
import { type Contender, NO_WAKE, SHORT_WAKE, takeTurns } from './turns.js';

interface DataSet {
  readonly name: string;
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
}

interface Fitted {
  readonly ms: number;
  readonly accuracy: number;
  readonly loss: number;
  /** What softshard chose. */
  readonly C?: number;
  readonly scale?: string;
}

const SCALES = { none: 'columns as they are', standard: 'standardized' } as const;
/** Without a choice to make. */
const NAMED = { C: 1, scale: 'none' } as const;
/** Rows times features from which a fit takes so long that nobody needs to be woken for it. */
const LONG = 1_000_000;

export async function compareFirstModels(
  sides: Sides,
  options: PeerOptions,
  pythons: Pythons,
): Promise<void> {
  if (!options.peers.includes('sklearn')) return;
  await sides.add('scikit-learn', async () =>
    PeerProcess.python(pythons.with('sklearn'), 'linear-models-sklearn.py'),
  );
  const sklearn = sides.get('scikit-learn');
  // Without scikit-learn there are no data sets.
  if (sklearn === undefined) return;
  const folder = repositoryFile('.peers/first-model');
  // Of Fashion-MNIST, a quick run has no training images.
  const request = { do: 'firstModelData', folder, fashion: options.quick ? null : options.data };
  const { sets } = await sklearn.ask<{ readonly sets: readonly DataSet[] }>(request);
  await sides.addOurs('linear-models-ours.js', ['softshard']);
  const threads = Math.max(...options.threads);
  for (const set of sets) {
    await sides.measure(`${FIRST_MODEL}, ${set.name}`, async () => {
      await loadEverywhere(sides, folder, set, threads);
      return compareOn(sides, set, threads, options);
    });
  }
}

async function loadEverywhere(
  sides: Sides,
  folder: string,
  { name }: DataSet,
  threads: number,
): Promise<void> {
  for (const [by, peer] of sides.all()) {
    for (const part of ['train', 'test']) {
      const [x, y] = ['x', 'y'].map((what) => join(folder, `${name}-${part}-${what}.npy`));
      const request = { do: 'load', name: `${name}-${part}`, x, y };
      await peer.ask(by === 'scikit-learn' ? request : { ...request, threads });
    }
  }
}

async function compareOn(
  sides: Sides,
  { name, rows, features, classes }: DataSet,
  threads: number,
  { rounds }: PeerOptions,
): Promise<Partial<Part>> {
  const contenders: Contender[] = [];
  const knows: string[] = [];
  const sklearn = sides.get('scikit-learn');
  const theirs: Fitted[] = [];
  for (const scale of sklearn === undefined ? [] : (['none', 'standard'] as const)) {
    const turn = () => sklearn!.ask<Fitted>({ do: 'firstModel', name, scale, threads });
    contenders.push({ by: 'scikit-learn', setting: SCALES[scale], threads, turn });
    const fitted = await turn();
    theirs.push(fitted);
    knows.push(`scikit-learn, ${SCALES[scale]}, ${scoreText(fitted)}`);
  }
  for (const [by, peer] of sides.ours()) {
    const ask = (fit: object) =>
      peer.ask<Fitted>({ do: 'fit', name: `${name}-train`, test: `${name}-test`, options: fit });
    const chosen = await ask({});
    contenders.push({ by, setting: '', threads, turn: () => ask({}) });
    const named = await ask(NAMED);
    const choice = `C ${chosen.C?.toPrecision(2)}, ${SCALES[chosen.scale === 'standard' ? 'standard' : 'none']}`;
    knows.push(`${by} (chose ${choice}) ${scoreText(chosen)}${comparedText(chosen, theirs)}`);
    knows.push(`with C 1 and columns as they are ${scoreText(named)} in ${named.ms.toFixed(1)} ms`);
  }
  const work = { work: FIRST_MODEL, shape: `${name}, ${rows} × ${features} × ${classes}` };
  const wake = rows * features < LONG ? SHORT_WAKE : NO_WAKE;
  const measured = await takeTurns(work, contenders, rounds, wake);
  return { rows: measured, remarks: [`${FIRST_MODEL}, ${name}, held out: ${knows.join('; ')}.`] };
}

const scoreText = ({ accuracy, loss }: Fitted): string =>
  `accuracy ${accuracy.toFixed(4)}, loss ${loss.toFixed(4)}`;

/** Against the greater accuracy and the lower loss of theirs. */
function comparedText({ accuracy, loss }: Fitted, theirs: readonly Fitted[]): string {
  if (theirs.length === 0) return '';
  const points = (accuracy - Math.max(...theirs.map((fitted) => fitted.accuracy))) * 100;
  const percent = (loss / Math.min(...theirs.map((fitted) => fitted.loss)) - 1) * 100;
  return ` (${signed(points)} points and ${signed(percent)} % of loss against the better of each)`;
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
