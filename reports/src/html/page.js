"use strict";
// Draws the curves of a run from the JSON in the page. All charts share one window of time.
(() => {
  const data = JSON.parse(document.getElementById("run").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const W = 900, H = 260, L = 64, R = 12, T = 28, B = 30;
  const all = [0, data.series.rows - 1];
  let view = all.slice();
  const charts = [];
  const make = (name, attributes, parent) => {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (parent) parent.append(node);
    return node;
  };
  const second = (row) => row * data.series.interval_s;
  const number = (n) => n.toLocaleString("en-US", { maximumFractionDigits: 2 });
  const clamp = (n, low, high) => Math.max(low, Math.min(high, n));
  const step = (range, count) => {
    const raw = range / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
    return [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw) || raw;
  };

  class Chart {
    constructor(spec) {
      this.spec = spec;
      this.off = new Set();
      this.row = null;
      this.figure = document.getElementById(spec.id);
      this.figure.tabIndex = 0;
      this.svg = make("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": spec.title });
      this.readout = document.createElement("p");
      this.readout.className = "readout";
      this.readout.setAttribute("aria-live", "polite");
      this.legend = document.createElement("div");
      this.legend.className = "legend";
      this.figure.append(this.svg, this.readout, this.legend);
      spec.curves.forEach((curve, i) => this.button(curve, i));
      this.svg.addEventListener("pointermove", (e) => this.move(e));
      this.svg.addEventListener("pointerdown", (e) => { this.begin = this.at(e); });
      this.svg.addEventListener("pointerup", (e) => this.drop(e));
      this.svg.addEventListener("pointerleave", () => { if (this.begin === undefined) this.point(null); });
      this.svg.addEventListener("dblclick", () => zoom(all[0], all[1]));
      this.figure.addEventListener("keydown", (e) => this.key(e));
    }
    button(curve, i) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const sample = make("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" });
      make("line", { x1: 0, x2: 26, y1: 4, y2: 4, stroke: curve.color, "stroke-width": 3, "stroke-dasharray": curve.dash }, sample);
      button.append(sample, curve.name);
      button.addEventListener("click", () => {
        if (!this.off.delete(i)) this.off.add(i);
        button.setAttribute("aria-pressed", String(!this.off.has(i)));
        this.draw();
      });
      this.legend.append(button);
    }
    x(row) { return L + (row - view[0]) / Math.max(1e-9, view[1] - view[0]) * (W - L - R); }
    at(event) {
      const box = this.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * W;
      return clamp(Math.round(view[0] + (x - L) / (W - L - R) * (view[1] - view[0])), view[0], view[1]);
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
    draw() {
      const { spec, svg } = this;
      svg.replaceChildren();
      const shown = spec.curves.filter((_, i) => !this.off.has(i));
      let top = spec.top || 0;
      for (const curve of shown) for (let i = view[0]; i <= view[1]; i++) top = Math.max(top, curve.values[i] || 0);
      top = top * 1.06 || 1;
      const y = (value) => H - B - value / top * (H - T - B);
      for (let v = 0, s = step(top, 4); v <= top * 1.0001; v += s) {
        make("line", { class: "grid", x1: L, x2: W - R, y1: y(v), y2: y(v) }, svg);
        make("text", { x: L - 6, y: y(v) + 4, "text-anchor": "end" }, svg).textContent = number(v) + (spec.suffix || "");
      }
      const from = second(view[0]), to = second(view[1]), s = step(to - from || 1, 8);
      for (let t = Math.ceil(from / s) * s; t <= to * 1.0001; t += s) {
        const x = L + (t - from) / (to - from || 1) * (W - L - R);
        make("text", { x, y: H - B + 16, "text-anchor": "middle" }, svg).textContent = number(t) + (x > W - R - 60 ? " s" : "");
      }
      for (const event of data.events) {
        const row = event.at_s / data.series.interval_s;
        if (row < view[0] || row > view[1]) continue;
        const x = this.x(row), right = x > W * 0.6;
        make("line", { class: "event", x1: x, x2: x, y1: T - 18, y2: H - B }, svg);
        make("text", { x: x + (right ? -5 : 5), y: T - 8, "text-anchor": right ? "end" : "start" }, svg).textContent = event.name;
      }
      for (const curve of shown) {
        let path = "";
        for (let i = view[0]; i <= view[1]; i++) path += `${path ? "L" : "M"}${this.x(i).toFixed(1)} ${y(curve.values[i] || 0).toFixed(1)}`;
        make("path", { class: "curve", d: path, stroke: curve.color, "stroke-dasharray": curve.dash }, svg);
      }
      if (this.span) {
        const [a, b] = this.span.map((row) => this.x(row));
        make("rect", { class: "zoom", x: Math.min(a, b), y: T, width: Math.abs(b - a), height: H - T - B }, svg);
      }
      if (this.row !== null && this.row >= view[0] && this.row <= view[1]) {
        make("line", { class: "cursor", x1: this.x(this.row), x2: this.x(this.row), y1: T, y2: H - B }, svg);
        const values = shown.map((curve) => `${curve.name} ${number(curve.values[this.row] || 0)}${spec.suffix || ""}`);
        this.readout.textContent = `${number(second(this.row))} s: ${values.join(", ")}`;
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
      else curve.values = column;
    }
    charts.push(new Chart(spec));
  }
  charts.forEach((chart) => chart.draw());
  document.documentElement.dataset.drawn = String(charts.length);
})();
