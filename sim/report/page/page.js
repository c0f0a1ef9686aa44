"use strict";
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const narrow = () => window.innerWidth < 600;
  const config = { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function dressed(figure) {
    const layout = structuredClone(figure.layout);
    const ink = colour("--ink"), line = colour("--line"), paper = colour("--paper");
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { color: ink, size: 13, family: getComputedStyle(document.body).fontFamily };
    layout.hoverlabel = { bgcolor: paper, bordercolor: line, font: { color: ink } };
    for (const axis of ["xaxis", "yaxis"]) {
      Object.assign(layout[axis], { gridcolor: line, linecolor: line, zerolinecolor: line });
    }
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: ink };
    if (narrow()) {
      layout.xaxis.nticks = 5;
      layout.yaxis.tickfont = { size: 10 };
      layout.yaxis.title = { ...layout.yaxis.title, font: { size: 11 } };
      layout.xaxis.title = { ...layout.xaxis.title, font: { size: 11 } };
    }
    return layout;
  }

  function draw(place) {
    const figure = charts[place.dataset.charts][Number(place.dataset.choice || 0)];
    Plotly.react(place, structuredClone(figure.data), dressed(figure), config);
    const details = document.getElementById(`${place.id}-details`);
    if (details && !place.dataset.drawn) {
      place.on("plotly_click", ({ points: [point] }) => {
        details.textContent = point.customdata; details.hidden = false;
      });
    }
    place.dataset.drawn = "yes";
  }
  const visible = (place) => !place.closest("[hidden]");
  const places = [...document.querySelectorAll(".chart")];
  const drawAll = (all) => places.filter((p) => all || visible(p)).forEach(draw);

  for (const select of document.querySelectorAll("select[data-for]")) {
    const place = document.getElementById(select.dataset.for);
    select.addEventListener("change", () => { place.dataset.choice = select.value; draw(place);
      const figure = charts[place.dataset.charts][Number(select.value)];
      for (const part of ["heading", "note"]) {
        const text = document.getElementById(`${place.id}-${part}`);
        if (text) text.textContent = figure[part];
      }
      document.getElementById(`${place.id}-details`)?.setAttribute("hidden", "");
    });
  }
  for (const tabs of document.querySelectorAll("[role=tablist]")) {
    const buttons = [...tabs.querySelectorAll("button")];
    const show = (chosen) => {
      for (const button of buttons) {
        const on = button === chosen;
        button.setAttribute("aria-selected", String(on));
        button.tabIndex = on ? 0 : -1;
        document.getElementById(button.getAttribute("aria-controls")).hidden = !on;
      }
      drawAll(false);
    };
    buttons.forEach((button, index) => {
      button.addEventListener("click", () => show(button));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = buttons[(index + step + buttons.length) % buttons.length];
        next.focus(); show(next);
      });
    });
  }
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy);
      let copied = true;
      try { await navigator.clipboard.writeText(text.textContent); }
      catch { getSelection().selectAllChildren(text); copied = document.execCommand("copy"); }
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
    });
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = (name) => { root.dataset.theme = name; drawAll(false); };
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  document.getElementById("theme").addEventListener("click", () =>
    theme(root.dataset.theme === "dark" ? "light" : "dark"));

  // On paper everything is shown, in light colours, at the width of a page.
  let before = "light";
  window.addEventListener("beforeprint", () => {
    before = root.dataset.theme; root.dataset.theme = "light";
    for (const panel of document.querySelectorAll(".panel[hidden]")) {
      panel.dataset.was = "hidden"; panel.hidden = false;
    }
    for (const place of places) { draw(place); Plotly.relayout(place, { width: 680, autosize: false }); }
  });
  window.addEventListener("afterprint", () => {
    for (const panel of document.querySelectorAll(".panel[data-was]")) {
      panel.hidden = true; delete panel.dataset.was;
    }
    root.dataset.theme = before; drawAll(false);
  });
  theme(dark.matches ? "dark" : "light");
})();
