/** Files dropped anywhere on the window: one is handed on, none makes the browser leave the page. */

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

/** `onFile(file)` hears of each drop; the body has the class "dropping" while a file hovers. */
export function acceptDrops(onFile) {
  const hover = (on) => document.body.classList.toggle("dropping", on);
  const over = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hover(true);
  };
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  // Without a related target the pointer has left the window, not just an element.
  addEventListener("dragleave", (event) => event.relatedTarget || hover(false));
  addEventListener("drop", (event) => {
    hover(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  });
}
