/** The page: ties the list, the queue, the viewer and the forms together. */

import { download } from "./download";
import { element } from "./elements";
import { targetSize, type Target } from "./target";
import { List } from "./list";
import type { Format, Settings } from "./messages";
import { keepOffline } from "./offline";
import { Picture } from "./picture";
import { PictureError } from "./photo";
import { Queue } from "./queue";
import { Viewer } from "./viewer";
import { percent, sizeText, timeLeft } from "./words";

const settings = element<HTMLFormElement>("settings");
const weights = element<HTMLSelectElement>("weights");
const widthInput = element<HTMLInputElement>("width");
const compare = element<HTMLSelectElement>("compare");
const format = element<HTMLSelectElement>("format");
const quality = element<HTMLInputElement>("quality");

const USES = { "cms-lapsrn": "clean", "cms-lapsrn-photo": "compressed" }; // of the weights

let pictures: Picture[] = [];
let selected: Picture | null = null;
let announced = -1;

const viewer = new Viewer({
  viewport: element("viewport"),
  canvas: element("canvas"),
  split: element("split"),
  handle: element("handle"),
  zoom: element("zoom"),
});
const list = new List(element("list"), { select, remove });
const queue = new Queue({
  changed(picture) {
    if (!selected) selected = picture;
    announceState(picture);
    show();
  },
  progressed(picture) {
    announceState(picture);
    showProgress();
  },
  runs: (description) => (element("runs").textContent = `Runs on ${description}.`),
});

async function add(files: Iterable<File>): Promise<void> {
  const added = [...files].map((file) => new Picture(file));
  if (added.length === 0) return;
  pictures.push(...added);
  if (!selected || selected.status !== "working") selected = added[0];
  show();
  for (const picture of added) {
    await picture.open();
    if (picture.status === "failed") announceState(picture);
    show();
  }
}

function select(picture: Picture): void {
  selected = picture;
  show();
}

function remove(picture: Picture): void {
  queue.cancel(picture);
  picture.forget();
  list.remove(picture);
  picture.preview?.close();
  const at = pictures.indexOf(picture);
  pictures = pictures.filter((other) => other !== picture);
  const next = pictures[Math.min(at, pictures.length - 1)] ?? null;
  if (selected === picture) selected = next;
  show();
  if (next) list.focus(next);
  else element("welcome").querySelector("button")?.focus();
}

/** The size that the form asks for, or null while the width is no number. */
function target(): Target | null {
  const size = new FormData(settings).get("size");
  if (size !== "width") return { scale: Number(size) };
  return widthInput.validity.valid && widthInput.value ? { width: widthInput.valueAsNumber } : null;
}

/** All settings of the form, or null while the width is no number. */
function chosen(): Settings | null {
  const size = target();
  const fast = new FormData(settings).get("network") === "fast";
  return size && { target: size, weights: weights.value as Settings["weights"], fast };
}

/** The pictures that the button enlarges: all that wait, else the selected one unless it would stay the same. */
function wanted(): Picture[] {
  const waiting = pictures.filter(({ status, preview }) => status === "waiting" && preview);
  if (waiting.length > 0) return waiting;
  if (!selected?.preview || selected.status === "working") return [];
  const { result } = selected;
  const same = result && JSON.stringify(result.settings) === JSON.stringify(chosen());
  return same ? [] : [selected];
}

/** Shows the state of everything, whenever anything changes. */
function show(): void {
  const any = pictures.length > 0;
  element("welcome").hidden = any;
  element("stage").hidden = element("panel").hidden = !any;
  for (const picture of pictures) {
    list.update(picture, picture === selected, picture === queue.current);
    if (picture !== selected) picture.result?.hide();
  }
  void selected?.result?.show(showPicture);
  showPicture();
  showSettings();
  showProgress();
  showDownload();
}

function showPicture(): void {
  const result = selected?.result ?? null;
  const layers = result?.bands.length ? result.layers : null;
  const [bicubic, comparing] = [compare.value === "bicubic", layers !== null];
  element("viewport").classList.toggle("comparing", comparing);
  element("viewport").classList.toggle("transparent", result !== null && result.channels % 2 === 0);
  element("before").textContent = bicubic ? "Bicubic" : "Original";
  element("message").hidden = selected?.status !== "failed";
  element("message").textContent = selected?.message ?? "";
  const preview = selected?.preview ?? undefined;
  const size = result?.size ?? selected?.shape;
  if (!selected || !size || selected.status === "failed") return viewer.show(null);
  viewer.show({
    size,
    preview,
    before: bicubic ? layers?.bicubic : (layers?.source ?? layers?.bicubic),
    after: layers?.sr,
    label: comparing
      ? `${selected.file.name}, ${sizeText(size)} pixels: ${bicubic ? "bicubic interpolation" : "the original"} left of the border, the network right of it`
      : `${selected.file.name}, ${sizeText(size)} pixels`,
    complete: selected.status === "done" && result!.whole,
  });
}

function showSettings(): void {
  const byWidth = new FormData(settings).get("size") === "width";
  element("width-field").hidden = widthInput.disabled = !byWidth; // a hidden field must not hold up the form
  const now = target();
  let size = now ? "" : "Give a width from 2 to 65,535 pixels.";
  if (now && selected?.shape) {
    try {
      size = `${sizeText(selected.shape)} becomes ${sizeText(targetSize(selected.shape, now))} pixels.`;
    } catch (error) {
      size = error instanceof PictureError ? error.message : String(error);
    }
  }
  element("result-size").textContent = size;
  const used = selected?.result?.weights;
  element("used").textContent = used ? `This result: weights for ${USES[used]} pictures (${used}).` : "";
  const button = element<HTMLButtonElement>("enlarge");
  const count = wanted().length;
  button.disabled = count === 0 || !now;
  const again = count === 1 && wanted()[0].status === "done";
  button.textContent = again ? "Enlarge again" : count > 1 ? `Enlarge ${count} pictures` : "Enlarge";
}

/** Shows how far the work is. It is cheap, since it happens often. */
function showProgress(): void {
  const { current } = queue;
  if (!current && selected && document.activeElement === element("cancel")) list.focus(selected);
  element("work").hidden = !current;
  if (!current) return;
  list.update(current, current === selected, true);
  element("work-title").textContent = `Enlarging ${current.file.name}`;
  element<HTMLProgressElement>("progress").value = current.share;
  element("left").textContent = current.share ? `${percent(current.share)}, ${timeLeft(current)}` : "starting";
}

function showDownload(): void {
  const done = pictures.filter(({ status }) => status === "done");
  element("download").hidden = done.length === 0;
  element<HTMLButtonElement>("download-one").disabled = selected?.status !== "done";
  element("download-all").hidden = done.length < 2;
  element("quality-field").hidden = format.value === "png";
  element<HTMLOutputElement>("quality-value").value = quality.value;
}

/** Tells screen readers of every quarter and of the end. */
function announceState(picture: Picture): void {
  const quarter = picture.status === "working" ? Math.floor(4 * picture.share) : announced;
  if (picture.status === "working" && quarter === announced) return;
  announced = picture.status === "working" ? quarter : -1;
  const words = {
    waiting: "",
    working: `${percent(picture.share)} ${timeLeft(picture)}`,
    done: "is done",
    failed: picture.message,
    cancelled: "is cancelled",
  };
  element("announcement").textContent = `${picture.file.name}: ${words[picture.status]}`;
}

settings.addEventListener("input", show);
settings.addEventListener("submit", (event) => {
  event.preventDefault();
  const now = chosen();
  if (now) for (const picture of wanted()) queue.add(picture, now);
});
compare.addEventListener("change", show);
format.addEventListener("change", show);
quality.addEventListener("input", show);
element("cancel").addEventListener("click", () => {
  if (queue.current) queue.cancel(queue.current);
  element("enlarge").focus();
});
element("download").addEventListener("submit", async (event) => {
  event.preventDefault();
  const all = (event as SubmitEvent).submitter?.id === "download-all";
  const chosen = all ? pictures.filter(({ status }) => status === "done") : selected ? [selected] : [];
  const say = (text: string): string => (element("download-message").textContent = text);
  say("Writing the file …");
  say(await download(chosen, format.value as Format, quality.valueAsNumber / 100));
});
element("zoom-in").addEventListener("click", () => viewer.zoomBy(1.5));
element("zoom-out").addEventListener("click", () => viewer.zoomBy(1 / 1.5));
element("zoom-fit").addEventListener("click", () => viewer.fit());
element("zoom-pixels").addEventListener("click", () => viewer.pixels());

for (const [name, input] of [
  ["choose", element<HTMLInputElement>("files")],
  ["take", element<HTMLInputElement>("camera")],
] as const) {
  for (const button of document.querySelectorAll(`[data-${name}]`))
    button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    void add([...(input.files ?? [])]);
    input.value = ""; // so that the same file can be chosen again
  });
}
document.addEventListener("paste", (event) => void add(event.clipboardData?.files ?? []));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
for (const kind of ["dragleave", "drop"])
  document.addEventListener(kind, () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  void add(event.dataTransfer?.files ?? []);
});

setInterval(showProgress, 1000); // the time left
void keepOffline(
  (text) => (element("offline").textContent = text),
  () => pictures.length > 0,
);
