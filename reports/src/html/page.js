"use strict";
// Draws the curves of a run from the JSON in the page. All charts share one window of time. A chart is as wide as its place, so
// that its texts are as large as those of the page.
(() => {
  const data = JSON.parse(document.getElementById("run").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const H = 260, L = 64, R = 12, B = 30, LABEL = 15, WIDE = 7.2;
  const all = [0, data.series.rows - 1];
  // Paper is white.
  const dark = matchMedia("screen and (prefers-color-scheme: dark)");
  let view = all.slice();
  const charts = [];
  const make = (name, attributes, parent) => {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (parent) parent.append(node);
    return node;
  };
  const second = (row) => row * data.series.interval_s;
  const number = (n) => n.toLocaleString("en-US", { maximumFractionDigits: 3 });
  const clamp = (n, low, high) => Math.max(low, Math.min(high, n));
  const color = (curve) => curve.color[dark.matches && !printing ? 1 : 0];
  const step = (range, count) => {
    const raw = range / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
    return [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw) || raw;
  };
  let printing = false;

  class Chart {
    constructor(spec) {
      this.spec = spec;
      this.off = new Set();
      this.row = null;
      this.width = 900;
      this.figure = document.getElementById(spec.id);
      this.figure.tabIndex = 0;
      this.figure.setAttribute("role", "group");
      this.figure.setAttribute("aria-label", `${spec.title}: chart`);
      this.figure.setAttribute("aria-describedby", "keys");
      this.svg = make("svg", { class: "chart", role: "img", "aria-label": spec.title });
      this.readout = document.createElement("p");
      this.readout.className = "readout";
      this.readout.setAttribute("aria-live", "polite");
      this.legend = document.createElement("div");
      this.legend.className = "legend";
      this.figure.append(this.svg, this.readout, this.legend);
      this.samples = spec.curves.map((curve, i) => this.button(curve, i));
      this.svg.addEventListener("pointermove", (e) => this.move(e));
      this.svg.addEventListener("pointerdown", (e) => { this.begin = this.at(e); });
      this.svg.addEventListener("pointerup", (e) => this.drop(e));
      // A finger leaves when it has pointed: what it pointed at stays.
      this.svg.addEventListener("pointerleave", (e) => { if (this.begin === undefined && e.pointerType === "mouse") this.point(null); });
      this.svg.addEventListener("pointercancel", () => { this.begin = this.span = undefined; this.draw(); });
      this.svg.addEventListener("dblclick", () => zoom(all[0], all[1]));
      this.figure.addEventListener("keydown", (e) => this.key(e));
      // Not at once: drawing may change what is observed.
      new ResizeObserver(() => requestAnimationFrame(() => this.resize())).observe(this.figure);
    }
    button(curve, i) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const sample = make("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" });
      const line = make("line", { x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 3, "stroke-dasharray": curve.dash }, sample);
      button.append(sample, curve.name);
      button.addEventListener("click", () => {
        if (!this.off.delete(i)) this.off.add(i);
        button.setAttribute("aria-pressed", String(!this.off.has(i)));
        this.draw();
      });
      this.legend.append(button);
      return line;
    }
    resize() {
      const width = Math.max(260, Math.round(this.svg.clientWidth || this.width));
      if (width !== this.width) { this.width = width; this.draw(); }
    }
    x(row) { return L + (row - view[0]) / Math.max(1e-9, view[1] - view[0]) * (this.width - L - R); }
    at(event) {
      const box = this.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * this.width;
      return clamp(Math.round(view[0] + (x - L) / (this.width - L - R) * (view[1] - view[0])), view[0], view[1]);
    }
    move(event) {
      const row = this.at(event);
      if (this.begin !== undefined && event.buttons === 1) this.span = [this.begin, row];
      this.point(row);
    }
    drop(event) {
      const end = this.at(event), begin = this.begin;
      this.begin = undefined;
      this.span = undefined;
      if (begin !== undefined && Math.abs(end - begin) > 1) zoom(Math.min(begin, end), Math.max(begin, end));
      else this.point(end);
    }
    key(event) {
      if (event.target !== this.figure) return;
      const width = view[1] - view[0], here = this.row === null ? view[0] : this.row;
      const jump = Math.max(1, Math.round(width / (event.shiftKey ? 10 : 100)));
      const keys = {
        ArrowLeft: () => this.point(clamp(here - jump, view[0], view[1])),
        ArrowRight: () => this.point(clamp(here + jump, view[0], view[1])),
        Home: () => this.point(view[0]),
        End: () => this.point(view[1]),
        "+": () => zoom(here - width / 4, here + width / 4),
        "-": () => zoom(here - width, here + width),
        Escape: () => zoom(all[0], all[1]),
        0: () => zoom(all[0], all[1]),
      };
      if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
    }
    point(row) { charts.forEach((chart) => { chart.row = row; chart.draw(); }); }
    // The names of moments, in rows, so that none covers another.
    moments() {
      const ends = [];
      return data.events.map((event) => ({ event, row: event.at_s / data.series.interval_s }))
        .filter(({ row }) => row >= view[0] && row <= view[1])
        .map(({ event, row }) => {
          const most = Math.floor((this.width - 8) / WIDE);
          const name = event.name.length > most ? event.name.slice(0, most - 1) + "\u2026" : event.name;
          const x = this.x(row), width = name.length * WIDE, left = clamp(x + 4, 4, Math.max(4, this.width - 4 - width));
          let line = ends.findIndex((end) => end + 10 < left);
          if (line < 0) line = ends.length;
          ends[line] = left + width;
          return { name, x, left, line };
        });
    }
    draw() {
      const { spec, svg, width } = this;
      // The earliest moment is named at the top: the lines of later ones begin below its name and at its right.
      const moments = this.moments(), rows = 1 + Math.max(-1, ...moments.map((m) => m.line));
      const T = 8 + LABEL * rows, height = H + T, label = (line) => 2 + LABEL * (line + 1);
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.replaceChildren();
      this.samples.forEach((line, i) => line.setAttribute("stroke", color(spec.curves[i])));
      const shown = spec.curves.filter((_, i) => !this.off.has(i));
      let top = 0;
      for (const curve of shown) for (let i = view[0]; i <= view[1]; i++) top = Math.max(top, curve.values[i] || 0);
      // A limit that is near is seen; one that is far away would press the curves to the ground.
      const limits = spec.limits.filter((limit) => limit.value <= top * 1.7 || spec.suffix === "%");
      for (const limit of limits) top = Math.max(top, limit.value * 1.06);
      top = top * 1.06 || 1;
      const y = (value) => height - B - value / top * (height - T - B);
      for (let v = 0, s = step(top, 4); v <= top * 1.0001; v += s) {
        make("line", { class: "grid", x1: L, x2: width - R, y1: y(v), y2: y(v) }, svg);
        make("text", { x: L - 6, y: y(v) + 4, "text-anchor": "end" }, svg).textContent = number(v) + spec.suffix;
      }
      const from = second(view[0]), to = second(view[1]), s = step(to - from || 1, Math.max(2, width / 90));
      for (let t = Math.max(0, Math.ceil(from / s - 1e-9)) * s; t <= to * 1.0001; t += s) {
        const x = L + (t - from) / (to - from || 1) * (width - L - R);
        const end = x > width - R - 30;
        make("text", { x: end ? width - 2 : x, y: height - B + 16, "text-anchor": end ? "end" : "middle" }, svg).textContent = number(t) + " s";
      }
      for (const limit of limits) make("line", { class: "limit", x1: L, x2: width - R, y1: y(limit.value), y2: y(limit.value) }, svg);
      for (const { x, line } of moments) make("line", { class: "event", x1: x, x2: x, y1: label(line) - 10, y2: height - B }, svg);
      for (const curve of shown) {
        let path = "", pen = false;
        for (let i = view[0]; i <= view[1]; i++) {
          const value = curve.values[i];
          if (value === null) { pen = false; continue; }
          path += `${pen ? "L" : "M"}${this.x(i).toFixed(1)} ${y(value).toFixed(1)}`;
          // What stands alone between two gaps would be no line: it is a dot.
          const alone = !pen && (i === view[1] || curve.values[i + 1] === null);
          if (alone) make("path", { class: "curve dot", d: `M${this.x(i).toFixed(1)} ${y(value).toFixed(1)}h.01`, stroke: color(curve) }, svg);
          pen = true;
        }
        make("path", { class: "curve", d: path, stroke: color(curve), "stroke-dasharray": curve.dash }, svg);
      }
      // The name of a limit stands above its line, and beside that of another that is as high; where there is no room, the line is enough.
      const named = [];
      for (const limit of limits) {
        const at = y(limit.value) - 5, beside = named.filter((n) => Math.abs(n.at - at) < LABEL).map((n) => n.end + 12);
        const x = Math.max(L + 6, ...beside), end = x + limit.text.length * WIDE;
        if (beside.length && end > width - R) continue;
        make("text", { class: "name", x, y: at }, svg).textContent = limit.text;
        named.push({ at, end });
      }
      for (const { name, left, line } of moments) {
        make("text", { class: "moment", x: left, y: label(line) }, svg).textContent = name;
      }
      if (this.span) {
        const [a, b] = this.span.map((row) => this.x(row));
        make("rect", { class: "zoom", x: Math.min(a, b), y: T, width: Math.abs(b - a), height: height - T - B }, svg);
      }
      if (this.row !== null && this.row >= view[0] && this.row <= view[1]) {
        make("line", { class: "cursor", x1: this.x(this.row), x2: this.x(this.row), y1: T, y2: height - B }, svg);
        const value = (curve) => { const v = curve.values[this.row]; return v === null ? "-" : number(v) + spec.suffix; };
        this.readout.textContent = `${number(second(this.row))} s: ${shown.map((curve) => `${curve.name}: ${value(curve)}`).join("; ")}`;
      } else this.readout.textContent = "";
    }
  }
  function zoom(from, to) {
    const a = clamp(Math.floor(Math.min(from, to)), all[0], all[1]), b = clamp(Math.ceil(Math.max(from, to)), all[0], all[1]);
    view = b - a < 2 ? [Math.max(all[0], b - 2), Math.min(all[1], a + 2)] : [a, b];
    charts.forEach((chart) => chart.draw());
  }
  for (const spec of data.charts) {
    for (const curve of spec.curves) {
      const column = data.series.columns[curve.column];
      if (curve.per_second) curve.values = column.map((v, i) => i ? (v - column[i - 1]) / data.series.interval_s : 0);
      else if (curve.of) curve.values = column.map((v) => v * 100 / curve.of);
      else if (curve.ns) {
        // Milliseconds, or seconds where those are what is waited; 0 stands for nothing timed.
        const unit = spec.curves.some((c) => data.series.columns[c.column].some((v) => v >= 1e9)) ? 1e9 : 1e6;
        spec.suffix = unit === 1e9 ? " s" : " ms";
        curve.values = column.map((v) => v ? v / unit : null);
      }
      else curve.values = column;
    }
    charts.push(new Chart(spec));
  }
  const redraw = () => charts.forEach((chart) => chart.draw());
  dark.addEventListener("change", redraw);
  // Curves are drawn for paper, and what is folded away could not be opened on it.
  const folded = () => document.querySelectorAll("details");
  addEventListener("beforeprint", () => { printing = true; redraw(); folded().forEach((d) => { d.dataset.was = d.open; d.open = true; }); });
  addEventListener("afterprint", () => { printing = false; redraw(); folded().forEach((d) => { d.open = d.dataset.was === "true"; }); });
  redraw();
  document.documentElement.dataset.drawn = String(charts.length);
})();
