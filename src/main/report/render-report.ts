// A run as one HTML file that needs nothing else: no network, no fonts, no library.
import { checkFacts } from './check-facts.js';
import { embeddedFacts } from './embedded.js';
import type { Figure, ReportFacts } from './facts.js';
import { duration, figure, isNumber, lossText, percent, smallPercent, timeText, whole } from './figures.js';
import { escapeHtml } from './html.js';
import { pageOf, partOf, type Tile, tilesOf, warningList } from './page/frame.js';
import { choice } from './sections/choice.js';
import { curves } from './sections/curves.js';
import { evaluationSection } from './sections/evaluation.js';
import { run } from './sections/run.js';

/**
 * The page for what is known of a run: parts that are missing are left out. The same facts give the same text. All names and
 * paths are escaped. Throws ERR_TYPE for facts of another kind.
 */
export function renderReport(given: ReportFacts): string {
  const facts = checkFacts(given);
  const { evaluation } = facts.result ?? {};
  const isSweep = facts.config?.command === 'sweep' || facts.result?.heads !== undefined;
  const parts = [
    partOf('training', 'Training', curves(facts)),
    partOf('choice', isSweep ? 'Sweep' : 'Choice of C', choice(facts)),
    partOf('evaluation', 'Evaluation', evaluation ? evaluationSection(evaluation) : '', 'flow'),
    partOf('run', 'Run', run(facts), 'flow'),
  ];
  return pageOf({
    title: titleOf(facts),
    about: about(facts),
    header:
      tilesOf(figuresOf(facts)) + warningList((facts.result?.warnings ?? []).map(({ message }) => message)),
    parts,
    maker: 'softshard',
    facts: embeddedFacts(facts),
  });
}

const NAMES: Readonly<Record<string, string>> = { train: 'Training', sweep: 'Sweep', evaluate: 'Evaluation' };

function titleOf({ title, config, environment, result }: ReportFacts): string {
  if (title !== undefined) return title;
  const what = NAMES[config?.command ?? ''] ?? config?.command ?? 'Report';
  const option = config?.options.data;
  const on = typeof option === 'string' ? option : (environment?.data?.[0]?.path ?? result?.evaluation?.of);
  return on === undefined ? what : `${what} on ${lastName(on)}`;
}

const lastName = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;

function about({ config, status, environment, result = {} }: ReportFacts): string {
  const { state, startedAt, cause } = status ?? {};
  const isKnown = ['running', 'interrupted', 'failed', 'finished'].includes(state ?? '');
  const shown = isKnown ? `<span class="state ${state}">${state}</span> ` : '';
  const version = environment?.softshard;
  const words = [
    `softshard${config === undefined ? '' : ` ${config.command}`}`,
    version === undefined ? '' : `version ${version}`,
    startedAt === undefined ? '' : timeText(startedAt),
    result.interrupted && state !== 'interrupted' ? 'interrupted' : '',
    cause ?? '',
  ];
  return shown + escapeHtml(words.filter((it) => it !== '').join(' · '), 500);
}

function figuresOf({ result = {} }: ReportFacts): readonly Tile[] {
  const { evaluation, gapRelative, converged, durationMs, rowsPerSecond, C, loss } = result;
  const held = [
    ['test accuracy', result.testAccuracy, result.testLoss, result.testMajority],
    ['validation accuracy', result.validationAccuracy, result.validationLoss, result.validationMajority],
  ] as const;
  const shown = held.flatMap(([name, accuracy, heldLoss, majority]) =>
    isNumber(accuracy) ? [score(name, accuracy, heldLoss, majority)] : [],
  );
  const best = result.heads?.find(({ head }) => head === result.best);
  if (best) shown.push(score('best on rows held out', best.accuracy, best.loss));
  if (evaluation && shown.length === 0) {
    const name = evaluation.of === 'training' ? 'training accuracy' : 'accuracy';
    shown.push(score(name, evaluation.accuracy, evaluation.loss, evaluation.majority));
  }
  if (isNumber(loss)) shown.push(['training loss', lossText(loss)]);
  if (isNumber(gapRelative)) {
    const small = converged ? 'converged' : 'not converged';
    shown.push(['above the minimum', `≤\u00a0${smallPercent(gapRelative)}`, small]);
  }
  if (isNumber(C)) shown.push(['C', figure(C), result.scale === 'standard' ? 'standardised features' : '']);
  if (evaluation?.calibration) {
    shown.push(['calibration error', percent(evaluation.calibration.expectedError), 'of the confidence']);
  }
  if (isNumber(durationMs)) {
    shown.push([
      'time',
      duration(durationMs),
      isNumber(rowsPerSecond) ? `${whole(rowsPerSecond)} rows/s` : '',
    ]);
  }
  return shown;
}

function score(name: string, accuracy: Figure, loss?: Figure, majority?: Figure): Tile {
  const words = [
    isNumber(loss) ? `loss ${lossText(loss)}` : '',
    isNumber(majority) ? `majority ${percent(majority)}` : '',
  ];
  return [name, percent(accuracy), words.filter((it) => it !== '').join(' · ')];
}
