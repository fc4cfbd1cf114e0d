// Maps numbers to places on an axis, and chooses its ticks.

export interface Scale {
  readonly isLog: boolean;
  /** Of the axis, in the numbers it shows. */
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  /** 0 at the beginning of the axis, 1 at its end. */
  place(value: number): number;
}

const TICKS = 5;

/** For finite values, positive ones if `isLog`. Without values, or with equal ones, the axis has room around them. */
export function scaleOf(
  values: Iterable<number>,
  { isLog = false, isTight = false, includes = [] as readonly number[] } = {},
): Scale {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const list of [values, includes]) {
    for (const value of list) {
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  if (least > most) [least, most] = isLog ? [0.1, 1] : [0, 1];
  return isLog ? logScale(least, most) : linearScale(least, most, isTight);
}

/** `isTight`: it ends where the values do, else at ticks. */
function linearScale(least: number, most: number, isTight: boolean): Scale {
  // What differs less than charts show is one value.
  if (most - least <= 1e-9 * Math.max(Math.abs(least), Math.abs(most))) {
    const room = Math.abs(least) / 2 || 0.5;
    [least, most] = [least - room, most + room];
  }
  // Halves first: the difference of two large numbers may be infinite.
  const step = niceStep(most / TICKS - least / TICKS);
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
  // The tick beyond the largest numbers is infinite.
  const isInside = ticks.every(Number.isFinite);
  const [from, to] = isTight || !isInside ? [least, most] : [ticks[0]!, ticks.at(-1)!];
  const place = (value: number) => (value / 2 - from / 2) / (to / 2 - from / 2);
  return { isLog: false, from, to, ticks: ticks.filter((tick) => tick >= from && tick <= to), place };
}

/** The least of 1, 2, 5, 10, … that is at least this. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((it) => it * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

function logScale(least: number, most: number): Scale {
  let [first, last] = [Math.log10(least), Math.log10(most)];
  if (last - first < 0.1) [first, last] = [first - 0.3, last + 0.3];
  const decades = Math.ceil(last - 1e-9) - Math.floor(first + 1e-9);
  const every = Math.max(1, Math.ceil(decades / (TICKS + 1)));
  // Within a decade or two 1, 2 and 5 are ticks as well.
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let decade = Math.floor(first + 1e-9); decade <= Math.ceil(last); decade++) {
    if (decade % every !== 0) continue;
    for (const factor of factors) {
      const at = Math.log10(factor) + decade;
      if (at >= first - 1e-9 && at <= last + 1e-9) ticks.push(Number(`${factor}e${decade}`));
    }
  }
  const place = (value: number) => (Math.log10(value) - first) / (last - first);
  return { isLog: true, from: 10 ** first, to: 10 ** last, ticks, place };
}
