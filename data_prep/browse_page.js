for (const input of document.querySelectorAll("nav input")) {
  input.addEventListener("change", () => document.body.classList.toggle("no-" + input.name, !input.checked));
}
const dialog = document.querySelector("dialog");
document.addEventListener("click", (event) => {
  const frame = event.target.closest(".frame");
  if (dialog.open) { dialog.close(); return; }
  if (!frame) return;
  const copy = frame.parentElement.cloneNode(true);
  copy.style.setProperty("--ratio", frame.clientWidth / frame.clientHeight);
  dialog.replaceChildren(copy);
  dialog.showModal();
});
