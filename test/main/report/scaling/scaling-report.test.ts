import { describe, expect, test } from 'vitest';
import { compareScaling, scalingReport } from '#softshard/main/index.js';
import { scalingResult } from '../../scaling/synthetic.js';

const page = scalingReport(scalingResult([100, 52, 30]));

const factsOf = (html: string): unknown =>
  JSON.parse(/<script type="application\/json" id="facts">(.*?)<\/script>/s.exec(html)![1]!);

describe('the page of a scaling measurement', () => {
  test('needs nothing from elsewhere, for light, dark and paper', () => {
    expect(page).not.toMatch(/(?:src|href)=/);
    expect(page).toContain("default-src 'none'");
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).toContain('@media print');
  });

  test('has charts of strong and weak scaling and of the roofs, with a name for those who do not see them', () => {
    const titles = [...page.matchAll(/<svg [^>]*role="img" aria-label="([^"]*)"/g)].map(([, title]) => title);
    expect(titles).toEqual([
      'Strong scaling: speed-up by number of threads',
      'Weak scaling: efficiency by number of threads',
      'Roofline: operations a second by operations a byte',
    ]);
    expect(page.slice(page.indexOf('<body>'), page.indexOf('<script>'))).not.toMatch(
      /NaN|undefined|Infinity/,
    );
  });

  test('holds the figures as JSON, and shows them and the verdict', () => {
    expect(factsOf(page)).toEqual(JSON.parse(JSON.stringify(scalingResult([100, 52, 30]))));
    expect(page).toContain('Scales to 4 threads at 83 %');
    expect(page).toContain('softmax, 1000 × 100');
  });

  test('escapes what a machine calls itself', () => {
    const html = scalingReport(
      scalingResult([1], {}, { cpu: '</script><img src=x onerror=alert(1)>', blas: '"><b>' }),
    );
    expect(html).not.toContain('<img');
    expect(html).not.toContain('"><b>');
    expect(factsOf(html)).toMatchObject({ environment: { blas: '"><b>' } });
  });

  test('of one number of threads has the roofs alone', () => {
    expect(scalingReport(scalingResult([5]))).not.toContain('Strong scaling');
  });

  test('shows a comparison, what is slower marked', () => {
    const result = scalingResult([200, 50, 25]);
    const comparison = compareScaling(scalingResult([100, 50, 25], {}, { node: '20' }), result);
    const html = scalingReport(result, comparison);
    expect(html).toContain('Compared with before');
    expect(html).toContain('differs: node: 20 before, 24.0.0 now');
    expect(html.match(/<tr class="marked">/g)).toHaveLength(2);
  });
});
