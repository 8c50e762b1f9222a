// Colours the drawing of the network by the figure picked, and leads the keyboard from layer to layer.

function paint(drawing, number) {
  const legends = Array.from(document.querySelectorAll("#network .legend.shade"));
  legends.forEach((one, index) => { one.hidden = index !== number; });
  drawing.setAttribute("class", legends[number].className.replace("legend ", ""));
  for (const node of drawing.querySelectorAll("a")) {
    const step = node.dataset.s[number];
    node.querySelector("rect").setAttribute("class", step === "-" ? "unknown" : "s" + step);
    node.querySelector(".figure").textContent = node.dataset.t.split("|")[number];
  }
}

function middleOf(node) {
  const box = node.querySelector("rect");
  return [Number(box.getAttribute("x")), Number(box.getAttribute("y"))];
}

function nearest(nodes, from, key) {
  const along = key === "ArrowLeft" || key === "ArrowRight" ? 0 : 1;
  const sign = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
  const here = middleOf(from);
  let best = null, least = Infinity;
  for (const node of nodes) {
    const there = middleOf(node);
    const ahead = sign * (there[along] - here[along]), aside = Math.abs(there[1 - along] - here[1 - along]);
    if (ahead > 1 && ahead + 3 * aside < least) { best = node; least = ahead + 3 * aside; }
  }
  return best;
}

function leadKeys(drawing) {
  const nodes = Array.from(drawing.querySelectorAll("a"));
  const said = document.getElementById("network-said");
  const say = (node) => { said.textContent = node.querySelector("title").textContent.split("\n").join(" · "); };
  let current = nodes[0];
  nodes.forEach((node, index) => node.setAttribute("tabindex", index ? "-1" : "0"));
  drawing.addEventListener("focusin", (event) => {
    const node = event.target.closest("a");
    if (!node) return;
    current.setAttribute("tabindex", "-1");
    current = node;
    node.setAttribute("tabindex", "0");
    say(node);
  });
  drawing.addEventListener("mouseover", (event) => { const node = event.target.closest("a"); if (node) say(node); });
  drawing.addEventListener("keydown", (event) => {
    const next = event.key === "Home" ? nodes[0] : event.key === "End" ? nodes[nodes.length - 1] :
      event.key.startsWith("Arrow") ? nearest(nodes, current, event.key) : null;
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}

function zoom(drawing, by) {
  const box = drawing.parentNode;
  const natural = drawing.viewBox.baseVal;
  const now = Number(drawing.style.getPropertyValue("--zoom") || 1);
  const whole = Math.min(box.clientWidth / natural.width, 0.76 * window.innerHeight / natural.height);
  const wanted = by === "whole" ? whole : by === "1" ? 1 : now * Number(by);
  drawing.style.setProperty("--zoom", Math.min(Math.max(wanted, 0.05), 4));
}

const drawing = document.getElementById("network-drawing");
if (drawing) {
  const shade = document.getElementById("shade");
  document.getElementById("network-controls").hidden = false;
  shade.addEventListener("change", () => paint(drawing, shade.selectedIndex));
  for (const button of document.querySelectorAll("#network-controls button")) {
    button.addEventListener("click", () => zoom(drawing, button.dataset.zoom));
  }
  leadKeys(drawing);
}
