from typing import Any


def render(*a: Any) -> str:
    return ""


def table(rows: Any) -> str:
    out = []
    for r in rows:
        if r["metric"].startswith(("model_bias", "group_average", "worst_group")):
            out.append(f"{r['method']:10s} {r['metric']:28s} {r['interval']:9s} {r['value']:.4f} [{r['low']}, {r['high']}]")
    return "\n".join(out)
