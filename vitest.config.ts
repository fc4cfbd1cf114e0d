import { defineConfig } from 'vitest/config';

/** They change what all of a process shares: its folder, environment, globals or V8's flags, or they end its threads. */
const IN_PROCESSES_OF_THEIR_OWN = [
  'test/attack/**/*.test.ts',
  'test/kernels/wide-simd.test.ts',
  'test/main/dispatch/**/*.test.ts',
  'test/main/distributed/alone.test.ts',
  'test/main/hostile-arguments.test.ts',
  'test/main/machine/**/*.test.ts',
  'test/main/memory/**/*.test.ts',
  'test/workers/**/*.test.ts',
];

// Tests run against the build (dist), as users do: workers need real JavaScript files, and one copy of each
// module keeps class identities the same on both sides.
const common = {
  server: { deps: { external: [/\/dist\//] } },
  // Seconds on a quiet machine; on one that does much else at once they may take minutes.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  // Of the texts of bits.ts, which are long, nothing but what differs.
  diff: { expand: false, contextLines: 1 },
  // Engines bring their own threads: more than two test files at once only fight over the cores.
  maxWorkers: 2,
};

export default defineConfig({
  test: {
    ...common,
    globalSetup: 'test/setup.ts',
    projects: [
      {
        test: {
          ...common,
          name: 'shared process',
          // Not by `exclude`: a project that has one of its own does not see that of the command line.
          include: ['test/**/*.test.ts', ...IN_PROCESSES_OF_THEIR_OWN.map((pattern) => `!${pattern}`)],
          // Starting Node, loading softshard and compiling the kernels happen once for many files.
          isolate: false,
        },
      },
      { test: { ...common, name: 'own process', include: IN_PROCESSES_OF_THEIR_OWN } },
    ],
  },
});
