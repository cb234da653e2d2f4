// Copy buttons. Hidden until this runs, because the text beside them can be selected without.

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const text = button.textContent;
    const label = button.getAttribute("aria-label");
    let timer = 0;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const say = (word) => {
        button.textContent = word;
        button.setAttribute("aria-label", word);
        clearTimeout(timer);
        timer = setTimeout(() => {
          button.textContent = text;
          button.setAttribute("aria-label", label);
        }, 2000);
      };
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        say("Copied");
      } catch {
        say("Not copied");
      }
    });
  }
}
