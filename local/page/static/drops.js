/** Accepts a file dropped anywhere on the window, and keeps the browser from opening it instead of the page. */

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

/** Calls `onFile(file)` with the first file of each drop. The body has the class "dropping" while a file hovers. */
export function acceptDrops(onFile) {
  const hover = (on) => document.body.classList.toggle("dropping", on);
  const over = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hover(true);
  };
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  // Without a related target, the pointer has left the whole window.
  addEventListener("dragleave", (event) => event.relatedTarget || hover(false));
  addEventListener("drop", (event) => {
    hover(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  });
}
