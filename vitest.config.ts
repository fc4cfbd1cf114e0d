import { defineConfig } from 'vitest/config';

// Tests run against the build (dist), as users do: workers need real JavaScript files, and one copy of each
// module keeps class identities the same on both sides.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/setup.ts',
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Engines bring their own threads: more than two test files at once only fight over the cores.
    maxWorkers: 2,
  },
});
