/** The list of pictures: one line for each, to look at it or take it out. */

import { make } from "./elements";
import type { Picture } from "./picture";
import { stateText } from "./words";

const THUMB = 44; // CSS pixels

export interface Actions {
  select(picture: Picture): void;
  remove(picture: Picture): void;
}

interface Line {
  item: HTMLLIElement;
  button: HTMLButtonElement;
  state: HTMLElement;
  thumb: HTMLCanvasElement;
  drawn: boolean;
}

export class List {
  private readonly lines = new Map<Picture, Line>();

  constructor(
    private readonly list: HTMLUListElement,
    private readonly actions: Actions,
  ) {}

  /** Brings the line of a picture up to date; makes it if there is none. */
  update(picture: Picture, selected: boolean, current: boolean): void {
    const line = this.lines.get(picture) ?? this.add(picture);
    line.item.dataset.status = picture.status;
    line.state.textContent = stateText(picture, current);
    line.button.setAttribute("aria-current", String(selected));
    line.item.style.setProperty("--share", String(picture.status === "done" ? 1 : picture.share));
    if (picture.preview && !line.drawn) {
      const { width, height } = picture.preview.size;
      const zoom = Math.max(line.thumb.width / width, line.thumb.height / height);
      const [x, y] = [(width - line.thumb.width / zoom) / 2, (height - line.thumb.height / zoom) / 2];
      picture.preview.draw(line.thumb.getContext("2d")!, { x, y, zoom });
      line.drawn = true;
    }
  }

  /** Moves the keyboard's focus to a picture. */
  focus(picture: Picture): void {
    this.lines.get(picture)?.button.focus();
  }

  remove(picture: Picture): void {
    this.lines.get(picture)?.item.remove();
    this.lines.delete(picture);
  }

  private add(picture: Picture): Line {
    const item = make("li", "");
    const button = make("button", "line");
    button.type = "button";
    const thumb = make("canvas", "thumb");
    thumb.width = thumb.height = Math.round(THUMB * devicePixelRatio);
    thumb.setAttribute("aria-hidden", "true");
    const text = make("span", "text");
    const state = make("span", "state");
    text.append(make("span", "name", picture.file.name), state);
    button.append(thumb, text);
    button.addEventListener("click", () => this.actions.select(picture));
    const remove = make("button", "quiet remove", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${picture.file.name}`);
    remove.addEventListener("click", () => this.actions.remove(picture));
    item.append(button, remove);
    this.list.append(item);
    const line = { item, button, state, thumb, drawn: false };
    this.lines.set(picture, line);
    return line;
  }
}
