import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { parseReview } from "../../../review/report/json";
import { renderPage } from "../../../review/report/page/page";
import type { Review } from "../../../review/report/schema";
import { canInstallChromium, findChromium } from "../../../sandbox/chromium";
import { bigReview, field, object, reviewOf, sampleReview } from "../../fixtures/review";

/** A review that `casa-upgrade plan` wrote on an embedded cluster. */
const MADE = join(__dirname, "../../fixtures/plan-made.json");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
/** What a page may take at most on a slow machine, in milliseconds. */
const SLOW = 30_000;

describe("report page in a browser", function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "casa-upgrade-page-"));
  let browser: Browser | undefined;
  let context: BrowserContext | undefined;
  /** What the browser complained of, and what it asked the network for. */
  const complaints: string[] = [];

  before(async function () {
    const executablePath = findChromium();
    if (executablePath === undefined) {
      if (canInstallChromium()) throw new Error("Chromium is missing: make setup installs it");
      console.log("      no Chromium here, so nothing is tried in a browser (make setup says how to get it)");
      this.skip();
    }
    browser = await chromium.launch({ executablePath, timeout: SLOW * 2 });
  });

  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    await context?.close();
    expect(complaints.splice(0)).to.deep.equal([]);
  });

  async function open(review: Review, colorScheme: "light" | "dark" = "light"): Promise<Page> {
    const file = join(folder, "plan.html");
    writeFileSync(file, renderPage(review));
    context = await (browser as Browser).newContext({ colorScheme, viewport: { width: 1200, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(SLOW);
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      if (request.url() !== pathToFileURL(file).href) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(pathToFileURL(file).href);
    return page;
  }

  const shown = (page: Page) =>
    page.evaluate<string[]>(
      "[...document.querySelectorAll('#objects > details')].filter((one) => one.checkVisibility()).map((one) => one.dataset.name)",
    );
  const choose = (page: Page, label: string, value: string) => page.getByLabel(label).selectOption(value);
  const status = (page: Page) => page.getByRole("status").textContent();

  it("filters objects by cause, kind, risk and name, and says how many are shown", async () => {
    const page = await open(sampleReview());
    const all = await shown(page);
    expect(all).to.have.length(6);
    expect(await status(page)).to.equal("all 6 shown");

    await choose(page, "Cause", "drift");
    expect(await shown(page)).to.deep.equal(["Deployment casa-runtime/casa-keycloak"]);
    expect(await status(page)).to.equal("1 of 6 shown");
    await page.getByRole("button", { name: "Open those shown" }).click();
    // Of its two fields only the one of this cause.
    expect(await page.locator("tbody[data-cause]:visible th").allTextContents()).to.deep.equal(["spec.replicas drift"]);

    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByRole("status").filter({ hasText: "all 6 shown" }).waitFor();
    await choose(page, "Kind", "Secret");
    expect(await shown(page)).to.deep.equal(["Secret casa-runtime/casa-auth"]);
    await page.getByLabel("Name contains").fill("nothing has this name");
    expect(await status(page)).to.equal("0 of 6 shown");

    await page.getByRole("button", { name: /show 1 object.*data-loss/ }).click();
    expect(await shown(page)).to.deep.equal(["PersistentVolumeClaim casa-runtime/casa-postgres"]);
    expect(await page.evaluate("document.activeElement.id")).to.equal("objects-title");
  });

  it("is used by keyboard alone", async () => {
    const page = await open(sampleReview());
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.className")).to.equal("skip");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.name")).to.equal("cause");
    await page.keyboard.type("drift");
    expect(await status(page)).to.equal("1 of 6 shown");
    const inObjects = () => page.evaluate<boolean>("document.activeElement.matches('#objects > details > summary')");
    for (let presses = 0; !(await inObjects()); presses++) {
      expect(presses, "the object is not reached with Tab").to.be.below(20);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    expect(await page.getByRole("table", { name: /changed fields of Deployment/ }).isVisible()).to.equal(true);
  });

  for (const colours of ["light", "dark"] as const) {
    it(`has labels and contrasts that screen readers and eyes need, ${colours}`, async () => {
      const page = await open(sampleReview(), colours);
      await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
      await page.evaluate(AXE);
      const found = await page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
      );
      expect(found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).to.deep.equal([]);
    });
  }

  it("shows what looks like markup as text, and runs none of it", async () => {
    const evil = `</script><script>alert(1)</script><img src="https://example.invalid/x" onerror=alert(2)>\u2028'"`;
    const page = await open(
      reviewOf({
        verdict: "changes",
        objects: [object("<script>", evil, { fields: [field(evil, { before: evil, after: "x" })] })],
        warnings: [evil],
      }),
    );
    expect(await shown(page)).to.deep.equal([`<script> casa-runtime/${evil.replace("\u2028", "<U+2028>")}`]);
    await choose(page, "Kind", "<script>");
    expect(await status(page)).to.equal("all 1 shown");
    expect(await page.locator("img").count()).to.equal(0);
  });

  it("shows a review as the program makes it: timeline, objects, restarts by system", async () => {
    const review = parseReview(readFileSync(MADE, "utf8"));
    const page = await open(review);
    expect(await page.locator("svg").boundingBox())
      .to.have.property("width")
      .above(500);
    expect(await page.getByRole("img", { name: /Upgrade of casa-runtime/ }).count()).to.equal(1);
    const [system] = review.restarts.groups;
    await page.locator("section[aria-labelledby=restarts-title] summary").first().click();
    const workload = system?.workloads[0]?.workload ?? "none";
    expect(await page.getByRole("cell", { name: workload, exact: true }).isVisible()).to.equal(true);
  });

  it("prints what is folded, without the form", async () => {
    const page = await open(sampleReview());
    const before = page.getByText('"kc:24"');
    expect(await before.isVisible()).to.equal(false);
    await page.emulateMedia({ media: "print" });
    expect(await before.isVisible()).to.equal(true);
    expect(await page.getByLabel("Cause").isVisible()).to.equal(false);
  });

  it("is usable with 1,000 objects: none is laid out before it is opened", async () => {
    const review = bigReview(1000);
    expect(renderPage(review).length).to.be.below(4_000_000);
    const start = Date.now();
    const page = await open(review);
    await choose(page, "Kind", "Deployment");
    expect(await status(page)).to.equal("20 of 1000 shown");
    expect(Date.now() - start).to.be.below(SLOW);
    expect(await page.locator("#objects > details[open]").count()).to.equal(0);
    expect(await page.locator("#objects table:visible").count()).to.equal(0);
  });
});
