#!/usr/bin/env node
// The command `softshard`.

import { ExitCode } from './failures.js';
import { unwatchSignals, watchSignals } from './interruption.js';

watchSignals();
// Loading takes a while: signals are not to come before.
const { runCommandLine } = await import('./program.js');
const code = await runCommandLine(process.argv.slice(2));
unwatchSignals();
// A reader of standard output that takes nothing would keep an interrupted command from its end.
if (code === ExitCode.interrupted || code === ExitCode.terminated) process.exit(code);
// Set, not passed to process.exit: what is on its way to a pipe must still get out.
process.exitCode = code;
