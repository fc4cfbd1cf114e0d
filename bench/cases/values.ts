// Inputs of benchmarks and their checks: those of the package's own benchmark.
export { checkClose, fillRandom, fillTargets, sampleRows } from '#softshard/main/scaling/workloads/values.js';
