// The page in Chromium: tabs, tooltips, tables and the matrix work; nothing is asked of the network or told to the console.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Reports, renderReport } from '#softshard/main/index.js';
import { chromium } from '../../optional.js';
import { BrowserPage, type Viewport } from './browser.js';
import { HOSTILE_NAMES, solverFacts, stepFacts, sweepFacts } from './facts.js';

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 400, height: 800 };
const names = Array.from({ length: 10 }, (_, i) => HOSTILE_NAMES[i] ?? `class ${i}`);

describe.skipIf(chromium === undefined)('the page in Chromium', () => {
  let folder: string;
  let page: BrowserPage;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'softshard-page-'));
    page = await BrowserPage.open(chromium!);
  });
  afterAll(async () => {
    await page?.close();
    rmSync(folder, { recursive: true });
  });

  async function show(facts: Reports.ReportFacts, viewport: Viewport = WIDE, hash = ''): Promise<void> {
    const path = join(folder, `${Math.random()}.html`);
    writeFileSync(path, renderReport(facts));
    await page.show(`${pathToFileURL(path)}${hash}`, viewport);
  }
  const shownParts = () =>
    page.evaluate("[...document.querySelectorAll('.part')].filter((it) => !it.hidden).map((it) => it.id)");
  async function click(selector: string): Promise<void> {
    const [x, y] = await page.evaluate<[number, number]>(
      `(() => { const it = document.querySelector(${JSON.stringify(selector)}); it.scrollIntoView({ block: 'center' }); const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()`,
    );
    await page.point(x, y, true);
  }

  test('shows one part at a time, by click, arrow keys and address', async () => {
    await show(stepFacts(names));
    expect(await shownParts()).toEqual(['training']);
    await click('#tab-evaluation');
    expect(await shownParts()).toEqual(['evaluation']);
    await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'ArrowRight', code: 'ArrowRight' });
    expect(await shownParts()).toEqual(['run']);
    expect(await page.evaluate('document.activeElement.id')).toBe('tab-run');
    await show(stepFacts(names), WIDE, '#run');
    expect(await shownParts()).toEqual(['run']);
  });

  test('tells the values at the pointer and by arrow keys', async () => {
    await show(stepFacts(names));
    const [x, y, width] = await page.evaluate<[number, number, number]>(
      "(() => { const box = document.querySelector('.chart svg').getBoundingClientRect(); return [box.x, box.y, box.width]; })()",
    );
    await page.point(x + width - 16, y + 60);
    const tip = () => page.evaluate<string>("document.querySelector('.chart .tip').textContent");
    expect(await tip()).toMatch(/^step 30\ntraining: 0\.0333\d\nvalidation: 0\.5$/);
    await page.point(5, 5);
    expect(await page.evaluate("document.querySelector('.chart .tip').hidden")).toBe(true);
    await page.evaluate("document.querySelector('.chart svg').focus()");
    await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'ArrowLeft', code: 'ArrowLeft' });
    expect(await tip()).toContain('step');
  });

  test('sorts tables by a click on a head, and the matrix by name', async () => {
    await show(stepFacts(names), WIDE, '#evaluation');
    const precisions = () =>
      page.evaluate<string[]>(
        '[...document.querySelectorAll(\'[aria-label="Scores by class"] tbody tr\')].map((it) => it.cells[3].textContent)',
      );
    const before = await precisions();
    await click('[aria-label="Scores by class"] th:nth-child(4) button');
    expect(await precisions()).toEqual([...before].reverse());
    await page.evaluate(
      "(() => { const it = document.querySelector('[data-order]'); it.value = 'name'; it.dispatchEvent(new Event('change')); })()",
    );
    const order = await page.evaluate<string[]>(
      "[...document.querySelectorAll('.matrix tbody tr')].map((it) => it.dataset.class)",
    );
    const columns = await page.evaluate<string[]>(
      "[...document.querySelectorAll('.matrix thead [data-class]')].map((it) => it.dataset.class)",
    );
    expect(order).toEqual(columns);
    expect([...order].sort()).toEqual(names.map((_, i) => String(i)).sort());
    expect(order).not.toEqual(names.map((_, i) => String(i)));
  });

  test.each([
    ['training step by step', stepFacts(names)],
    ['a full-batch solver', solverFacts],
    ['a sweep', sweepFacts],
  ])('of %s fits 400 and 1280 pixels, light and dark', async (_, facts) => {
    for (const viewport of [WIDE, NARROW]) {
      for (const isDark of [false, true]) {
        await show(facts, { ...viewport, isDark });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
          viewport.width,
        );
        const [text, back] = await page.evaluate<[string, string]>(
          '[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]',
        );
        const lightness = (color: string) =>
          (color.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, it) => sum + Number(it), 0);
        expect(lightness(text) > lightness(back)).toBe(isDark);
      }
    }
  });

  test('has asked for no address but its own, and told nothing to the console', () => {
    expect(
      page.requests.filter((address) => !address.startsWith('file:') && address !== 'about:blank'),
    ).toEqual([]);
    expect(page.messages).toEqual([]);
  });
});
