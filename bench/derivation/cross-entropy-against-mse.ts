// Prints the table of docs/derivation.md: cross-entropy against squared error from one confidently wrong start.
import { comparisonTable } from './comparison-table.js';

console.log(comparisonTable());
