"""A page in a headless browser, where this machine has one."""

import re
import shutil
import subprocess


def find_browser():
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome")
         if (path := shutil.which(name))), None,
    )  # fmt: skip


PROBE = """
<script>
const report = [];
window.addEventListener("error", (event) => report.push("error: " + event.message));
window.addEventListener("load", () => {
  report.push("requests: " + performance.getEntriesByType("resource").length);
  report.push("wider: " + (document.documentElement.scrollWidth - innerWidth > 0));
  for (const table of document.querySelectorAll(".scroll")) {
    table.scrollLeft = 200;
    const [own, first] = [table, table.querySelector("tbody td")].map(
      (element) => element.getBoundingClientRect());
    report.push("first column: " + (table.scrollLeft > 0 && first.left === own.left
      && first.width < own.width / 2 ? "stays" : "goes"));
  }
  const board = document.getElementById("board");
  if (board) {
    const names = () => [...board.tBodies[0].rows].filter((row) => !row.hidden)
      .map((row) => row.cells[0].querySelector("strong").textContent).join(" ");
    board.querySelectorAll("th button")[0].click();
    report.push("sorted: " + names());
    board.querySelectorAll("th button")[0].click();
    report.push("again: " + names());
    const verdict = document.getElementById("verdict");
    verdict.value = "supported";
    verdict.dispatchEvent(new Event("change"));
    report.push("filtered: " + names());
    report.push(document.getElementById("shown").textContent);
  }
  document.body.innerHTML = "<pre>PROBE " + report.join("; ") + " PROBE</pre>";
});
</script>
"""


def browse(path, tmp_path, *flags):
    copy = path.with_name("probe.html")
    copy.write_text(path.read_text().replace("<body>", "<body>" + PROBE))
    command = [
        find_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,800", "--dump-dom",
        *flags, copy.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    found = re.search(r"PROBE (.*?) PROBE", shown)
    assert found, shown[:500]
    return found[1].split("; ")
