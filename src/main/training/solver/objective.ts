// What a full-batch solver minimizes, in float64: the weighted losses of all rows and a penalty of the weights, with inputs
// centered in effect: (x - means) W + b is x W + (b - means W), which conditions the problem better at no cost.
import { NULL_PTR } from '../../../kernels/ptr.js';
import type { DirectionUpdate } from '../../../workers/protocol.js';
import { BiasConjugateGradients } from './bias-conjugate-gradients.js';
import { type BiasHessian, BiasMatrix } from './bias-hessian.js';
import { geometryOf } from './geometry.js';
import type { Head, PassResult } from './head.js';
import type { Curvature, HistoryTerms } from './lbfgs-history.js';
import { dot, type Parameters } from './parameters.js';

/** Enough to find a class anew that had no rows before, in steps of MOST_SHIFT. */
const MOST_SHIFTS = 60;
/**
 * How far logits may move apart in a Newton step of the bias, in units of the temperature: the Hessian changes by a factor of
 * exp of it at most, and steps up to 1.79 lower the loss for sure. Rows that are sure of their class would ask for steps that
 * raise it beyond all bounds.
 */
const MOST_SHIFT = 1;
/** The probability that classes get which no row has a share of: the best would be 0, with a bias of -Infinity. */
const EMPTY_SHARE = Math.exp(-40);
/** The probability of one class at the point where rows that weigh differently are summed. */
const ODD_SHARE = 3 / 4;
/** Of the gradient by the bias, as a share of the weight of all rows. */
const BIAS_TOLERANCE = 1e-7;

export interface ObjectiveTerms {
  readonly features: number;
  readonly classes: number;
  /** [features]: of the rows as workers see them. */
  readonly means: Float64Array;
  /** [features]: what centered inputs are multiplied by in effect; undefined: 1. */
  readonly scales: Float64Array | undefined;
  /** Of the scaled, centered inputs: roughly the mean of their squares. */
  readonly variances: Float64Array;
  /** The loss is convex: with a penalty the distance from the minimum can be told. */
  readonly isConvex: boolean;
  /** Σ of the rows' weights: their losses' greatest curvatures, but for the temperature. */
  readonly weightSum: number;
  /** The greatest weight of a row. */
  readonly mostWeight: number;
  /** [classes]: how much of it is due to the targets of each class. */
  readonly targetSums: Float64Array;
  /** All rows weigh the same. */
  readonly isEven: boolean;
  readonly temperature: number;
}

/** A point at which all rows have the same probabilities, for the certificate. */
export interface EvenPoint {
  /** [classes]. */
  readonly probabilities: Float64Array;
  /** Of the losses there. */
  readonly gradient: Parameters;
  /** [features]: Σ of the rows, centered and scaled, each times its weight. */
  readonly rowSums: Float64Array;
}

type BiasTerms = Pick<PassResult, 'biasCurvature' | 'biasDiagonal'>;

export type ObjectiveState = Awaited<ReturnType<Objective['snapshot']>>;

export class Objective {
  readonly terms: ObjectiveTerms;
  /** Weights of centered inputs, and their bias. */
  readonly point: Parameters;
  /** Of the losses alone, by `point`. */
  readonly gradient: Parameters;
  loss = Number.NaN;
  /** The penalty is half of this times ‖weights‖², plus l1 · ‖weights‖₁. */
  penalty: number;
  l1 = 0;
  /** Of its minimum, with an L1 penalty; for these penalties alone. */
  lowerBound = Number.NEGATIVE_INFINITY;
  /** Loss and gradient are those of `parameters` as they are rounded. */
  isExact = false;
  /** Since `begin`. */
  evenPoint: EvenPoint | undefined;
  readonly #head: Head;
  /** Of the vector that `direction` consists of so far. */
  #extend: DirectionUpdate;
  #biasHessian: BiasHessian | undefined;
  /** What that is made of. */
  #biasTerms: BiasTerms = { biasCurvature: undefined, biasDiagonal: undefined };
  #geometry: Float64Array | undefined;
  /** What the bias should be moved by before the next gradient. */
  #biasShift: Float32Array | undefined;

  constructor(head: Head, terms: ObjectiveTerms, penalty: number) {
    const length = (terms.features + 1) * terms.classes;
    this.terms = terms;
    this.point = new Float64Array(length);
    this.gradient = new Float64Array(length);
    this.penalty = penalty;
    this.#head = head;
  }

  get passes(): number {
    return this.#head.passes;
  }

  /** The bias is always the best there is for the weights, as far as a Newton step goes: solvers need not care for it. */
  get eliminatesBias(): boolean {
    return this.#head.hasBiasCurvature;
  }

  /** How many of the parameters a solver has to find. */
  get solved(): number {
    return this.eliminatesBias ? this.weightsLength : this.point.length;
  }

  get historyTerms(): HistoryTerms {
    const { features, classes } = this.terms;
    return { features, classes, length: this.solved };
  }

  get weightsLength(): number {
    return this.terms.features * this.terms.classes;
  }

  get value(): number {
    const { point, weightsLength } = this;
    let [sum, square] = [0, 0];
    for (let i = 0; i < weightsLength; i++) {
      sum += Math.abs(point[i]!);
      square += point[i]! * point[i]!;
    }
    return this.loss + (this.penalty * square) / 2 + this.l1 * sum;
  }

  /** Of all but the L1 penalty, into `into`, which it gives. */
  smoothGradient(into: Parameters): Parameters {
    const { penalty } = this;
    into.set(this.gradient);
    for (let i = 0; i < this.weightsLength; i++) into[i]! += penalty * this.point[i]!;
    return into;
  }

  /** Of the objective; with an L1 penalty the shortest of its subgradients. */
  totalGradient(into: Parameters): Parameters {
    this.smoothGradient(into);
    const { l1, point, weightsLength } = this;
    for (let i = 0; l1 > 0 && i < weightsLength; i++) {
      const value = into[i]!;
      if (point[i] !== 0) into[i] = value + Math.sign(point[i]!) * l1;
      else into[i] = Math.sign(value) * Math.max(0, Math.abs(value) - l1);
    }
    return into;
  }

  /** See Curvature. */
  get curvature(): Curvature {
    const mass = this.#biasHessian?.trace ?? this.terms.weightSum;
    return { penalty: this.penalty, mass, diagonal: this.#geometry };
  }

  /** Whether no parameter changes the mean objective by more than tol: all that can be said without a certificate. */
  isFlat(totalGradient: Parameters, tol: number): boolean {
    const most = totalGradient.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    return most <= tol * this.terms.weightSum;
  }

  /** A first guess of the step along a gradient, where nothing is known of the curvature. */
  firstStep(direction: Parameters): number {
    return 1 / Math.max(1, Math.sqrt(direction.reduce((sum, value) => sum + value * value, 0)));
  }

  /** What a model of uncentered inputs has for the point, rounded to float32. */
  parameters(): { readonly weights: Float32Array; readonly bias: Float32Array } {
    const raw = this.#uncentered(this.point);
    const single = Float32Array.from(raw);
    return { weights: single.subarray(0, this.weightsLength), bias: single.subarray(this.weightsLength) };
  }

  /** From weights of 0, with the bias that the classes' shares ask for. */
  async begin(): Promise<void> {
    const { features, classes, weightSum, targetSums, temperature, isConvex, isEven } = this.terms;
    this.point.fill(0);
    this.#head.clearLogits();
    const bias = targetSums.map((sum) => temperature * Math.log(Math.max(sum / weightSum, EMPTY_SHARE)));
    const mean = this.#meanOfPresent(bias);
    for (let column = 0; column < classes; column++) bias[column]! -= mean;
    const odd = isConvex && !isEven ? await this.#differentiateOddly(bias) : undefined;
    this.#biasShift = Float32Array.from(bias, (value, column) => value - this.#biasAt(column));
    if (this.eliminatesBias) await this.fitBias();
    await this.differentiate();
    const probabilities = this.#evenProbabilities();
    const rowSums = new Float64Array(features);
    if (odd !== undefined) {
      const { column, gradient, share } = odd;
      const factor = temperature / (share - probabilities[column]!);
      for (let feature = 0; feature < features; feature++) {
        const i = feature * classes + column;
        rowSums[feature] = factor * (gradient[i]! - this.gradient[i]!);
      }
    }
    this.evenPoint = { probabilities, gradient: this.gradient.slice(), rowSums };
    const { mass } = this.curvature;
    this.#geometry ??= geometryOf({ ...this.terms, penalty: this.penalty, mass, gradient: this.gradient });
  }

  /** The gradient at weights of 0 where the least frequent class is by far the most probable. */
  async #differentiateOddly(bias: Float64Array) {
    const { temperature } = this.terms;
    const column = bias.indexOf(Math.min(...bias));
    const others = bias.reduce(
      (sum, value, i) => sum + (i === column ? 0 : Math.exp(value / temperature)),
      0,
    );
    const own = temperature * Math.log((others * ODD_SHARE) / (1 - ODD_SHARE));
    this.#biasShift = Float32Array.from(bias, (value, i) => (i === column ? own : value));
    await this.differentiate();
    return { column, gradient: this.gradient.slice(), share: this.#evenProbabilities()[column]! };
  }

  /** [classes]: of each row where weights are 0. */
  #evenProbabilities(): Float64Array {
    const { classes, temperature } = this.terms;
    const logits = Float64Array.from({ length: classes }, (_, column) => this.#biasAt(column) / temperature);
    const most = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - most));
    const sum = powers.reduce((all, power) => all + power, 0);
    return powers.map((power) => power / sum);
  }

  /** Of classes that rows have a share of: what is added to all of them changes nothing where the loss is convex. */
  #meanOfPresent(bias: ArrayLike<number>): number {
    const { targetSums } = this.terms;
    const present = Array.from(bias).filter((_, i) => targetSums[i] !== 0);
    return present.reduce((sum, value) => sum + value, 0) / Math.max(1, present.length);
  }

  #biasAt(column: number): number {
    return this.point[this.weightsLength + column]!;
  }

  /** Goes on from a model's parameters, at half a pass more than `evaluate` where the bias is eliminated. */
  async goOnFrom(weights: ArrayLike<number>, bias: ArrayLike<number>): Promise<void> {
    const { targetSums, temperature, isConvex } = this.terms;
    const mean = this.#meanOfPresent(bias);
    const least = mean + temperature * Math.log(EMPTY_SHARE);
    const start = Float64Array.from(bias, (value, i) => {
      const moved = targetSums[i] === 0 ? Math.min(value, least) : value;
      return isConvex ? moved - mean : moved;
    });
    await this.evaluate(weights, start);
    if (!this.eliminatesBias) return;
    await this.fitBias();
    await this.differentiate();
  }

  /** Takes a model's parameters for the point, and computes everything there anew. */
  async evaluate(weights: ArrayLike<number>, bias: ArrayLike<number>): Promise<void> {
    const { classes, means, scales } = this.terms;
    const { point, weightsLength } = this;
    const raw = new Float64Array(point.length);
    raw.set(weights);
    raw.set(bias, weightsLength);
    point.set(raw);
    for (let i = 0; i < weightsLength; i++) {
      const feature = Math.floor(i / classes);
      point[weightsLength + (i % classes)]! += means[feature]! * raw[i]!;
      if (scales !== undefined) point[i]! /= scales[feature]!;
    }
    this.#take(await this.#head.run({ name: 'evaluate' }, { vector: raw }));
    this.isExact = true;
  }

  /** Goes to another point, at a pass. */
  async goTo(other: Parameters): Promise<void> {
    this.point.set(other);
    const { weights, bias } = this.parameters();
    await this.evaluate(weights, bias);
  }

  /** The same; the present logits come back by `goBack`. */
  async tryAt(other: Parameters): Promise<() => void> {
    const { loss, isExact } = this;
    const [point, gradient] = [this.point.slice(), this.gradient.slice()];
    this.#head.swapLogits();
    await this.goTo(other);
    return () => {
      this.#head.swapLogits();
      this.point.set(point);
      this.gradient.set(gradient);
      this.loss = loss;
      this.isExact = isExact;
    };
  }

  /** Loss and gradient at the point, after a shift of the bias by what brings its gradient to 0, as far as one can see. */
  async differentiate(): Promise<void> {
    const shift = this.#biasShift;
    this.#biasShift = undefined;
    const vector = shift === undefined ? NULL_PTR : this.#head.placeShift(shift);
    if (shift !== undefined) this.#shiftBias(shift);
    this.#take(await this.#head.run({ name: 'gradient', vector }));
  }

  /** The Hessian of the whole objective times a vector, into `product`. */
  async curve(vector: Parameters, product: Parameters): Promise<void> {
    const extend = this.#takeExtension();
    const { gradient } = await this.#head.run(
      { name: 'curvature', extend },
      { vector: this.#uncentered(vector) },
    );
    this.#center(gradient, product);
    const { penalty } = this;
    for (let i = 0; i < this.weightsLength; i++) product[i]! += penalty * vector[i]!;
  }

  /** Adds the last vector that was curved to the direction, `by` times; with isFirst the direction is that alone. */
  extend(by: number, isFirst: boolean): void {
    this.#extend = { by, isFirst };
  }

  /**
   * Makes a vector the direction, at half a pass. Where the bias is eliminated, its part becomes what keeps the gradient by it
   * where it is.
   */
  async direct(vector: Parameters): Promise<void> {
    const { columnSums } = await this.#head.run({ name: 'direct' }, { vector: this.#uncentered(vector) });
    if (this.#biasHessian === undefined) return;
    const shift = Float32Array.from(await this.#biasHessian.solve(columnSums), (value) => -value);
    if (!this.#isDescent(vector, shift)) return;
    for (const [column, by] of shift.entries()) vector[this.weightsLength + column]! += by;
    this.#extend = { vector: this.#head.placeShift(shift) };
  }

  /** Whether the shift leaves most of the descent: where the gradient by the bias is far from 0 it may be all gone. */
  #isDescent(vector: Parameters, shift: Float32Array): boolean {
    const gradient = this.totalGradient(new Float64Array(vector.length));
    const slope = dot(gradient, vector);
    let change = 0;
    for (const [column, by] of shift.entries()) change += gradient[this.weightsLength + column]! * by;
    return change <= -slope / 2;
  }

  /** The loss at point + step · direction, and its slope along it. */
  async look(step: number): Promise<{ readonly loss: number; readonly slope: number }> {
    return this.#head.run({ name: 'look', step, extend: this.#takeExtension() });
  }

  /** point += step · direction; the gradient is out of date. */
  async move(step: number, direction: Parameters): Promise<void> {
    this.isExact = false;
    for (let i = 0; i < this.point.length; i++) this.point[i]! += step * direction[i]!;
    const extend = this.#takeExtension();
    const result = await this.#head.run({ name: 'move', step, extend, vector: NULL_PTR });
    // The one Newton step that comes with the next gradient suffices, unless it would be a long one.
    if (await this.#newton(result)) await this.fitBias();
  }

  /** Brings the gradient by the bias to 0, as far as float32 goes; the gradient by the weights is out of date. */
  async fitBias(): Promise<void> {
    for (let times = 0; times < MOST_SHIFTS; times++) {
      const shift = this.#biasShift ?? new Float32Array(this.terms.classes);
      this.#shiftBias(shift);
      const vector = this.#head.placeShift(shift);
      const result = await this.#head.run({ name: 'move', step: 0, extend: undefined, vector });
      await this.#newton(result);
      const most = result.columnSums.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      if (most < BIAS_TOLERANCE * this.terms.weightSum) return;
    }
  }

  /** Prepares a Newton step of the bias. Gives whether it had to be cut short. */
  async #newton(result: PassResult): Promise<boolean> {
    this.loss = result.loss;
    this.#biasShift = undefined;
    this.#takeBiasTerms(result);
    if (this.#biasHessian === undefined) return false;
    const { temperature } = this.terms;
    const step = await this.#biasHessian.solve(result.columnSums);
    const range = (Math.max(...step) - Math.min(...step)) / temperature;
    const share = range > MOST_SHIFT ? MOST_SHIFT / range : 1;
    this.#biasShift = Float32Array.from(step, (value) => -share * value);
    return share < 1;
  }

  #takeBiasTerms({ biasCurvature, biasDiagonal }: BiasTerms): void {
    this.#biasTerms = { biasCurvature, biasDiagonal };
    this.#biasHessian = this.#biasHessianOf(this.#biasTerms);
  }

  #biasHessianOf({ biasCurvature, biasDiagonal }: BiasTerms): BiasHessian | undefined {
    if (biasCurvature !== undefined) return new BiasMatrix(biasCurvature, this.terms.classes);
    if (biasDiagonal === undefined) return undefined;
    const head = this.#head;
    return new BiasConjugateGradients(biasDiagonal, async (values) => {
      const vector = head.placeShift(values);
      return (await head.run({ name: 'curveBias', vector })).columnSums;
    });
  }

  /** Nothing is under way that a snapshot does not have: after `begin`, `evaluate` and `differentiate`. */
  get canBeKept(): boolean {
    return this.#extend === undefined && this.#biasShift === undefined;
  }

  /** Brings what the direction consists of up to date, in a sweep that changes no bit of it. */
  async finishDirection(): Promise<void> {
    const extend = this.#takeExtension();
    if (extend !== undefined) await this.#head.run({ name: 'look', step: 0, extend });
  }

  /** `hasDirection`: the logits of the direction are needed, too. */
  async snapshot(hasDirection: boolean) {
    const { biasCurvature, biasDiagonal } = this.#biasTerms;
    const { evenPoint } = this;
    return {
      point: this.point.slice(),
      gradient: this.gradient.slice(),
      loss: this.loss,
      penalty: this.penalty,
      lowerBound: this.lowerBound,
      isExact: this.isExact,
      evenPoint: evenPoint && { ...evenPoint },
      geometry: this.#geometry,
      biasCurvature: biasCurvature?.slice(),
      biasDiagonal: biasDiagonal?.slice(),
      head: await this.#head.snapshot(hasDirection),
    };
  }

  async restore(state: ObjectiveState): Promise<void> {
    this.point.set(state.point);
    this.gradient.set(state.gradient);
    this.loss = state.loss;
    this.penalty = state.penalty;
    this.lowerBound = state.lowerBound;
    this.isExact = state.isExact;
    this.evenPoint = state.evenPoint;
    this.#geometry = state.geometry;
    this.#takeBiasTerms(state);
    this.#extend = undefined;
    this.#biasShift = undefined;
    await this.#head.restore(state.head);
  }

  #shiftBias(shift: Float32Array): void {
    this.isExact = false;
    for (const [column, by] of shift.entries()) this.point[this.weightsLength + column]! += by;
  }

  #takeExtension(): DirectionUpdate {
    const extend = this.#extend;
    this.#extend = undefined;
    return extend;
  }

  #take({ loss, gradient }: PassResult): void {
    this.loss = loss;
    this.#center(gradient, this.gradient);
  }

  /** Parameters of the inputs as workers see them that give the same logits. */
  #uncentered(vector: Parameters): Parameters {
    const { classes, means, scales } = this.terms;
    const raw = vector.slice();
    for (let i = 0; i < this.weightsLength; i++) {
      const feature = Math.floor(i / classes);
      if (scales !== undefined) raw[i]! *= scales[feature]!;
      // The products are with weights as the kernels have them.
      raw[this.weightsLength + (i % classes)]! -= means[feature]! * Math.fround(raw[i]!);
    }
    return raw;
  }

  /** A gradient by parameters of centered inputs, from that by those of the inputs as workers see them. */
  #center(gradient: Parameters, centered: Parameters): void {
    const { classes, means, scales } = this.terms;
    const bias = gradient.subarray(this.weightsLength);
    for (let i = 0; i < this.weightsLength; i++) {
      const feature = Math.floor(i / classes);
      centered[i] = (gradient[i]! - means[feature]! * bias[i % classes]!) * (scales?.[feature] ?? 1);
    }
    centered.set(bias, this.weightsLength);
  }
}
