// Asks now and then whether a run is still what the page shows; only when it is not, the page is drawn anew.
export default function ({ data, parentElement, setTriggerValue }) {
  clearInterval(parentElement.watching);
  if (!data.every_ms) return;
  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch(data.address).catch(() => null); // away: the page's frame says so
    const mark = answer?.ok ? (await answer.json()).mark : data.mark;
    if (mark !== data.mark) setTriggerValue("changed", mark);
  };
  parentElement.watching = setInterval(look, data.every_ms);
  return () => clearInterval(parentElement.watching);
}
