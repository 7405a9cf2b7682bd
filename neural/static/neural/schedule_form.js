// In the form of a schedule: tells the chosen crontab's rhythm in words.
document.addEventListener("DOMContentLoaded", () => {
  const select = document.getElementById("id_crontab");
  const shown = document.querySelector(".field-crontab_translation .readonly");
  const kept = document.getElementById("neural-rhythms");
  if (!select || !shown || !kept) {
    return;
  }
  const rhythms = JSON.parse(kept.textContent);
  const tell = () => {
    shown.textContent = rhythms[select.value] || "-";
  };
  select.addEventListener("change", tell);
  // Django's own pop-up, which adds a crontab, tells of it through jQuery alone.
  if (window.django && window.django.jQuery) {
    window.django.jQuery(select).on("change", tell);
  }
});
