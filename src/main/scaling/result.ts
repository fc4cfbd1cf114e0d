// What a scaling measurement gives: figures of each workload by number of threads, and what they say.
import type { Numerics } from '../../kernels/load.js';
import type { RankFigures } from './ranks/result.js';
import type { Roof } from './roofs.js';
import type { Quartiles } from './statistics.js';
import type { ScalingOperation } from './workloads/workload.js';

/** 'strong': the same rows for any number of threads. 'weak': rows in proportion to the threads. */
export type ScalingKind = 'strong' | 'weak';

/** One number of threads. */
export interface ScalingPoint extends Quartiles {
  readonly threads: number;
  /** Processes that work together, each with so many threads. */
  readonly ranks: number;
  /** Of a call. */
  readonly rows: number;
  /** The interquartile range, of the median: above 0.1 the machine was not quiet. */
  readonly spread: number;
  /** Cores that other processes kept busy meanwhile. */
  readonly otherCores: number;
  /** Rows a second, over those of the fewest threads, times their number. */
  readonly speedup: number;
  /** speedup / threads. */
  readonly efficiency: number;
  /** 10⁹ bytes and operations a second that the work asks for, at least. */
  readonly gbPerSecond: number;
  readonly gflops: number;
  /** Of what the roofs of as many threads allow. Above 1: the arrays lie in caches. */
  readonly memoryShare: number;
  readonly arithmeticShare: number;
}

/**
 * What bounds a workload: neither where it reaches little of both roofs; calls may be too small to share; ranks may spend half of
 * their time on each other.
 */
export type ScalingBound = 'memory' | 'arithmetic' | 'neither' | 'small' | 'network';

export interface ScalingVerdict {
  readonly bound: ScalingBound;
  /** For 'memory': from which number of threads on. */
  readonly boundFrom: number | undefined;
  /** The most threads, or ranks where those are measured, that are used well, at 70 % and more. */
  readonly scalesTo: number;
  /** There. */
  readonly efficiency: number;
  /** The fewest threads, or ranks, within 5 % of the least time. */
  readonly threads: number;
  /** In a sentence. */
  readonly text: string;
}

/** An engine option that was not on, tried on the recommended threads. */
export interface TriedOption {
  readonly option: 'wideSimd' | 'blas';
  /** How many times as fast as without, and what quartiles leave open. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

export interface WorkloadScaling {
  readonly operation: ScalingOperation;
  /** The preset that it belongs to, or 'own'. */
  readonly preset: string;
  readonly rows: number;
  readonly columns: number | undefined;
  readonly features: number | undefined;
  readonly classes: number | undefined;
  /** Whether the results of every number of threads have the same bits. */
  readonly bitsEqual: boolean;
  readonly strong: readonly ScalingPoint[];
  /** That of the most threads is the strong one. */
  readonly weak: readonly ScalingPoint[];
  readonly verdict: ScalingVerdict;
  readonly tried: readonly TriedOption[];
}

export interface ScalingEnvironment {
  /** ISO 8601. */
  readonly date: string;
  readonly softshard: string;
  readonly node: string;
  readonly v8: string;
  readonly platform: string;
  readonly cpu: string;
  /** What this process may use (affinity, CPU quota), not what the machine has. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Of the last minute, before the measurement. */
  readonly loadBefore: number;
  readonly numerics: Numerics;
  readonly wideSimd: boolean;
  /** The file of the BLAS, if one is on. */
  readonly blas: string | undefined;
}

export interface ScalingRecommendation {
  readonly threads: number;
  /** Options that make something faster beyond noise and nothing slower. */
  readonly wideSimd: boolean;
  readonly blas: boolean;
  readonly text: string;
}

export interface ScalingResult {
  readonly kind: 'softshard scaling';
  readonly environment: ScalingEnvironment;
  /** Too short for figures. */
  readonly quick: boolean;
  readonly durationMs: number;
  readonly threads: readonly number[];
  readonly roofs: readonly Roof[];
  readonly workloads: readonly WorkloadScaling[];
  readonly recommendation: ScalingRecommendation;
  /** Of a measurement between ranks (measureRankScaling), whose points differ in ranks. */
  readonly ranks?: RankFigures | undefined;
  /** What makes figures doubtful: each once. */
  readonly warnings: readonly string[];
}

/** A figure of two measurements. */
export interface ComparedPoint {
  readonly operation: ScalingOperation;
  readonly preset: string;
  readonly shape: string;
  readonly kind: ScalingKind;
  readonly threads: number;
  readonly ranks: number;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** How many times as fast as before; and what the quartiles of both leave open. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly change: 'slower' | 'faster' | 'same';
}

export interface ScalingComparison {
  readonly points: readonly ComparedPoint[];
  /** In which ways the machines or settings differ, so that ratios say something of them. */
  readonly differences: readonly string[];
  /** How many points of the new measurement the old one has not. */
  readonly unmatched: number;
}
