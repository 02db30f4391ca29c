"""`bitfold doctor`: says what is installed, what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import asdict

from bitfold.build.cli import console


def doctor() -> dict:
    """Say what is installed, what is missing, and how to get it."""
    from bitfold.build.workflows.doctor import examine

    findings = examine()
    table = console.table("", "what", "version", "what for")
    for finding in findings:
        mark = (
            ("✓", "green")
            if finding.ok
            else (("✗", "red") if finding.required else ("-", "yellow"))
        )
        table.add_row(console.styled(mark), finding.name, finding.version or "", finding.purpose)
    console.out.print(table)
    console.out.print()
    for finding in findings:
        if not finding.ok:
            need = "" if finding.required else " (not needed here)"
            said = f"{finding.name}{need}: {finding.remedy}"
            console.out.print(said, highlight=False, soft_wrap=True)
    missing = [finding.name for finding in findings if finding.required and not finding.ok]
    if missing:
        console.out.print(console.styled(("missing:", "red"), f" {', '.join(missing)}"))
    else:
        console.out.print("everything that training, compiling and running need is here")
    return {"findings": [asdict(finding) for finding in findings], "failed": bool(missing)}


doctor_command = console.command(doctor)
