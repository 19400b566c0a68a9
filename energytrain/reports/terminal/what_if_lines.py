"""What is said under the table of a run in emulated precision: two figures that nobody measured, and what they are."""

from typing import Any, List, Mapping

from rich.markup import escape

from ..format import bounds, joules


def what_if_lines(result: Mapping[str, Any]) -> List[str]:
    """Both figures beside the same work in fp32, where they come from, and what the emulation itself drew."""
    block = result.get("what_if")
    if block is None:
        return []
    method, emulated = result["spec"]["method"], ", ".join(escape(name) for name in block["phases"]) or "no phase yet"
    if block["figures"] is None:
        return [f"what-if: none ({escape(block['reason'])})", *_emulation_lines(block, emulated)]
    same, paper = block["figures"]["same_time"], block["figures"]["paper_convention"]
    fp32, device = block["fp32"], escape(result["device"]["name"])
    lines = [
        f"[bold]{escape(block['label'])}: {method} {joules(same)}[/bold] ({bounds(same)}, modelled) beside "
        f"{joules(fp32)} in fp32 ({bounds(fp32)}): [bold]{_share(same)}[/bold]; "
        f"8-bit block floating point in {emulated}",
        f"assumed: {escape(block['assumption'])}",
        f"the paper's convention: {joules(paper)} ({bounds(paper)}), {_share(paper)} of fp32; {paper['assumption']}",
        f"unit energies: {_sources(block)}",
    ]
    anchor = block["anchored"]
    if anchor is None:
        lines.append(f"not anchored: no phase in fp32 was measured on {device} itself")
    else:
        phases = ", ".join(escape(name) for name in anchor["phases"])
        lines.append(
            f"anchored: {device} itself drew {anchor['factor']:.2f} x what its profile gives for {phases} in fp32; "
            "every modelled figure is scaled by that"
        )
    return lines + _emulation_lines(block, emulated)


def _share(figure: Mapping[str, Any]) -> str:
    share = figure["ratio_to_fp32"]
    return f"{share['value']:.2f} ({share['low']:.2f} to {share['high']:.2f})"


def _sources(block: Mapping[str, Any]) -> str:
    ratio = block["unit_ratio"]
    names = ", ".join(f"{source['name']} ({source['process']} nm)" for source in block["sources"])
    range_ = f"{ratio['value']:.3f} of fp32 ({ratio['low']:.3f} to {ratio['high']:.3f})"
    return f"{escape(names)}, INT8 multiply-adds at {range_}"


def _emulation_lines(block: Mapping[str, Any], emulated: str) -> List[str]:
    drawn = block["emulation"]
    if drawn["joules"] is None and drawn["partial"] is None:
        return []
    return [f"emulating it here took {joules(drawn)} ({emulated}, measured), which is no figure of the method"]
