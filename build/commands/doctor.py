"""`bitfold doctor`: says what is installed, what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import asdict

from bitfold.build import console


def doctor() -> dict:
    """Say what is installed, what is missing, and how to get it."""
    from bitfold.build.doctor import examine

    findings = examine()
    table = console.table("", "what", "version", "what for", "remedy")
    for finding in findings:
        mark = (
            "[green]✓[/]" if finding.ok else ("[red]✗[/]" if finding.required else "[yellow]-[/]")
        )
        remedy = "" if finding.ok else finding.remedy
        table.add_row(mark, finding.name, finding.version or "", finding.purpose, remedy)
    console.out.print(table)
    missing = [finding.name for finding in findings if finding.required and not finding.ok]
    if missing:
        console.out.print(f"[red]missing:[/] {', '.join(missing)}")
    else:
        console.out.print("everything that training, compiling and running need is here")
    return {"findings": [asdict(finding) for finding in findings], "failed": bool(missing)}


doctor_command = console.command(doctor)
