/**
 * The status report in Chromium, as people open it: from a file. TAMHR_SCREENSHOTS names a folder for pictures of what is
 * tested.
 */
import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { statusHtml } from '../../src/report/status-html.ts';
import { statusDocument } from '../../src/report/status-json.ts';
import type { History } from '../../src/sync/history.ts';
import { EVENTFUL, MONTH, NEVER_RUN, NOW, OLD_JOB, QUIET, SCHEDULE } from '../report/status-fixture.ts';

const pageOf = (history: History) => statusHtml(statusDocument(history, SCHEDULE, NOW), { version: '0.1.0' });

const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

function installedChromium(): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, 'chromium')).find(isExecutable);
  return found ?? assert.fail('chromium is not installed: apt-get install chromium');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

describe('the status report in a browser', () => {
  let browser: Browser;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-browser-'));
    // Chromium's sandbox does not work for root, which CI is; it loads nothing but our own files here.
    browser = await chromium.launch({ executablePath: installedChromium(), args: ['--no-sandbox'] });
  });
  after(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  /** Opens the page from a file of its own, and gives all addresses that it asked for. */
  async function open(name: string, text: string, options: Parameters<Browser['newPage']>[0] = {}) {
    const file = join(folder, `${name}.html`);
    await writeFile(file, text);
    const page = await browser.newPage(options);
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    const url = pathToFileURL(file).href;
    await page.goto(url);
    return { page, requests, url };
  }

  async function check(id: string, history: History, options: Parameters<Browser['newPage']>[0]) {
    const { page, requests, url } = await open(id, pageOf(history), options);
    for (const summary of await page.locator('summary').all()) await summary.click();
    const pictures = process.env.TAMHR_SCREENSHOTS;
    if (pictures) await page.screenshot({ path: join(pictures, `${id}.png`), fullPage: true });
    assert.deepEqual(await overflowing(page), []);
    // What is folded looks as what is not; axe takes its time with each cell.
    for (const summary of await page.locator('summary').all()) await summary.click();
    assert.deepEqual(await axeViolations(page), []);
    assert.deepEqual(requests, [url]);
    await page.close();
  }

  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`a full page, ${size}, ${colorScheme}: axe finds nothing, nothing overflows, nothing is loaded`, () =>
        check(`month-${size}-${colorScheme}`, MONTH, { viewport, colorScheme }));
    }
  }

  for (const [name, history] of Object.entries({ quiet: QUIET, 'never-run': NEVER_RUN, 'old-job': OLD_JOB })) {
    it(`${name}: axe finds nothing, nothing overflows, nothing is loaded`, async () => {
      await check(`${name}-phone`, history, { viewport: SIZES.phone, colorScheme: 'light' });
      await check(`${name}-desktop`, history, { viewport: SIZES.desktop, colorScheme: 'dark' });
    });
  }

  it('nothing overflows on widths between', async () => {
    const { page } = await open('widths', pageOf(MONTH));
    for (const width of [320, 600, 768, 1024, 1087, 1089, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      assert.deepEqual(await overflowing(page), [], `${width}`);
    }
    await page.close();
  });

  it('what was planted in names, hosts and errors is text, and neither runs nor makes an element', async () => {
    const { page } = await open('planted', pageOf(MONTH));
    assert.equal(await page.evaluate('typeof planted'), 'undefined');
    assert.equal(await page.locator('script, img, [onload], [onerror]').count(), 0);
    assert.equal(await page.getByText(`<script>planted = 'name'</script>`).first().isVisible(), true);
    await page.close();
  });

  it('the policy stops a script that should get in all the same', async () => {
    const withScript = pageOf(QUIET).replace('</body>', '<script>planted = 1</script></body>');
    const { page: guarded } = await open('guarded', withScript);
    assert.equal(await guarded.evaluate('typeof planted'), 'undefined');
    await guarded.close();
    const { page: open_ } = await open('unguarded', withScript.replace(/<meta http-equiv="Content-[^>]*>/, ''));
    assert.equal(await open_.evaluate('typeof planted'), 'number');
    await open_.close();
  });

  it('tables stay tables on a phone, for who hears them', async () => {
    const { page } = await open('roles', pageOf(EVENTFUL), { viewport: SIZES.phone });
    const table = page.getByRole('table', { name: /^Each entity by its last run/ });
    assert.equal(await table.getByRole('row').count(), 1 + EVENTFUL.entities.length);
    assert.equal(await table.getByRole('rowheader', { name: 'Users' }).count(), 1);
    assert.equal(await table.getByRole('columnheader').count(), 10);
    await page.close();
  });

  it('on paper all runs are there, dark on white, and fit the page', async () => {
    const { page } = await open('paper', pageOf(MONTH), {
      viewport: { width: 718, height: 1000 },
      colorScheme: 'dark',
    });
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    assert.deepEqual(await overflowing(page), []);
    const oldest = page.locator('details tbody tr').last();
    assert.ok((await oldest.boundingBox())?.height);
    const colours =
      '[getComputedStyle(document.body).color, getComputedStyle(document.documentElement).backgroundColor]';
    assert.deepEqual(await page.evaluate(colours), ['rgb(27, 31, 36)', 'rgb(255, 255, 255)']);
    const pictures = process.env.TAMHR_SCREENSHOTS;
    if (pictures)
      await page.pdf({
        path: join(pictures, 'paper.pdf'),
        format: 'A4',
        margin: { top: '1cm', bottom: '1cm', left: '1cm', right: '1cm' },
      });
    await page.close();
  });
});

/** What axe has to say against the page, one line each. */
async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations, incomplete } = (await page.evaluate('axe.run()')) as axe.AxeResults;
  return [...violations, ...incomplete].flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}

/** Elements that reach beyond the window's right edge, and the page itself where it can be scrolled to the side. */
async function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(`
    const { scrollWidth, clientWidth } = document.documentElement;
    const wide = [...document.querySelectorAll('body *')].filter((element) => {
      const { width, right, left } = element.getBoundingClientRect();
      return width > 1 && (right > clientWidth + 0.5 || left < -0.5);
    });
    [...(scrollWidth > clientWidth ? ['page: ' + scrollWidth + ' > ' + clientWidth] : []), ...wide.map((element) => element.outerHTML.slice(0, 120))];
  `);
}
