// What is wrong with how a page looks: an expression whose value is a list of complaints.
(() => {
  const box = (node) => node.getBoundingClientRect();
  const wrong = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) wrong.push(`the page is ${wide} pixels wider than the screen`);
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
  for (const picture of document.querySelectorAll("svg.chart, .pan svg")) {
    const frame = box(picture);
    if (!frame.width) continue;
    const outside = (r) => r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 2 || r.bottom > frame.bottom + 1;
    const texts = [...picture.querySelectorAll("text")].filter((text) => box(text).width);
    for (const text of texts) if (outside(box(text))) wrong.push(`cut: ${text.textContent}`);
    // Words along the arrows of a ladder lean, so their boxes say nothing.
    if (!picture.matches(".ladder")) texts.forEach((a, i) => texts.slice(i + 1).forEach((b) => {
      if (!apart(box(a), box(b))) wrong.push(`${a.textContent} over ${b.textContent}`);
    }));
  }
  // Contrast as WCAG 2.1 has it: at least 4.5 for each text.
  const channels = (color) => (color.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const [, , , alpha = 1] = channels(getComputedStyle(n).backgroundColor);
      if (alpha > 0) return getComputedStyle(n).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !box(node).width || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName)) continue;
    // What lies on a ground that is drawn is not known here.
    if (node.closest(".pan")) continue;
    const style = getComputedStyle(node), ink = node.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(ink), light(ground(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.add(`faint (${contrast.toFixed(1)}): ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return [...wrong, ...faint];
})()
