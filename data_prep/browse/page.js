for (const input of document.querySelectorAll("nav input")) {
  input.addEventListener("change", () => document.body.classList.toggle("no-" + input.name, !input.checked));
}
const dialog = document.querySelector("dialog");
document.addEventListener("click", (event) => {
  const frame = event.target.closest(".frame");
  if (dialog.open) { dialog.close(); return; }
  if (!frame) return;
  dialog.replaceChildren(frame.parentElement.cloneNode(true));
  dialog.showModal();
});
