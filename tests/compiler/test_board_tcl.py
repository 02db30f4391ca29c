"""What the boards' Tcl asks of Vivado, run under tclsh with stand-ins for Vivado's commands."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from support.command_line import fails, works
from support.vivado_workplace import needs_tclsh

from bitfold.build.compile.compiler import RTL
from bitfold.build.implement.synthesis import CELLS
from bitfold.build.implement.vivado import TCL
from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.bundle import Bundle

pytestmark = needs_tclsh

_READER = (RTL / "shell" / "axi_reader.sv").read_text()
OUTSTANDING = int(re.search(r"int OUTSTANDING = (\d+)", _READER)[1])


def test_every_port_of_the_ip_is_connected(workplace):
    works(*workplace.command)
    ip = workplace.system.ip
    pins = {pin for net in workplace.record("connect", "pin") for pin in net}
    buses = {pin for net in workplace.record("connect", "intf_pin") for pin in net}
    assert len(workplace.ports) == 57
    for port in workplace.ports:
        bus = re.match(r"[sm]_axi_[a-z]+", port)
        assert (f"{ip}/{bus[0]}" in buses) if bus else (f"{ip}/{port}" in pins), port


def test_no_input_of_the_design_is_left_open_and_none_has_two_drivers(workplace):
    works(*workplace.command)
    system = workplace.system
    nets = workplace.record("connect", "pin")
    buses = workplace.record("connect", "intf_pin")
    ip, ps, interrupts = system.ip, system.processor, system.interrupt_controller
    inputs = [f"{ps}/{p}" for p in ("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK", "IRQ_F2P")]
    inputs += ["reset/slowest_sync_clk", "reset/ext_reset_in"]
    inputs += [f"{cell}/{pin}" for cell in ("control", "memory") for pin in ("aclk", "aresetn")]
    inputs += [f"{interrupts}/{pin}" for pin in ("s_axi_aclk", "s_axi_aresetn", "intr")]
    inputs += [f"{ip}/aclk", f"{ip}/aresetn"]
    drivers = {f"{ps}/FCLK_CLK0", f"{ps}/FCLK_RESET0_N", f"{ip}/irq", f"{interrupts}/irq"}
    drivers |= {"reset/interconnect_aresetn", "reset/peripheral_aresetn"}
    assert sorted(pin for net in nets for pin in net if pin not in drivers) == sorted(inputs)
    assert all(len(drivers & set(net)) == 1 for net in nets)
    ends = [end for bus in buses for end in bus]
    assert len(ends) == len(set(ends)) == 10
    assert [f"{ip}/m_axi_mem", "memory/S00_AXI"] in buses
    assert ["memory/M00_AXI", f"{ps}/S_AXI_HP0"] in buses
    assert ["control/M00_AXI", f"{ip}/s_axi_ctrl"] in buses
    sizes = [("control", "NUM_SI", "1"), ("control", "NUM_MI", "2"), ("memory", "NUM_MI", "1")]
    for cell, name, value in sizes:
        assert workplace.record("property", f"cell:{cell}", f"CONFIG.{name}") == [[value]]


def test_one_clock_drives_everything_and_the_interrupt_goes_through_its_controller(workplace):
    works(*workplace.command)
    nets = {net[0]: set(net[1:]) for net in workplace.record("connect", "pin")}
    ip, ps = workplace.system.ip, workplace.system.processor
    clocked = nets[f"{ps}/FCLK_CLK0"]
    assert {f"{ip}/aclk", f"{ps}/M_AXI_GP0_ACLK", f"{ps}/S_AXI_HP0_ACLK"} <= clocked
    assert nets[f"{ip}/irq"] == {"axi_intc_0/intr"}
    assert nets["axi_intc_0/irq"] == {f"{ps}/IRQ_F2P"}
    assert f"{ip}/aresetn" in nets["reset/peripheral_aresetn"]


def test_the_addresses_are_those_of_the_handoff(workplace):
    works(*workplace.command)
    design = ElementTree.fromstring(handoff(workplace.system))
    wanted = {
        (m["MASTERBUSINTERFACE"], m["INSTANCE"], int(m["BASEVALUE"], 16), int(m["HIGHVALUE"], 16))
        for m in (memory_range.attrib for memory_range in design.iter("MEMRANGE"))
    }
    spaces = {"processing_system7_0/Data": "M_AXI_GP0", "bitfold_0/m_axi_mem": "m_axi_mem"}
    asked = set()
    for space, segment, base, size in workplace.record("address"):
        low = int(base, 16)
        master = spaces[space.removeprefix("addr_space:")]
        instance = segment.removeprefix("addr_seg:").split("/")[0]
        asked.add((master, instance, low, low + int(size, 16) - 1))
    assert asked == wanted and len(asked) == 3


def test_the_clock_and_the_part_are_the_systems(workplace):
    works(*workplace.command)
    system = workplace.system
    asked = workplace.record("property", "cell:processing_system7_0")
    settings = {name: value for name, value in asked}
    assert float(settings["CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ"]) == round(system.clock_mhz, 6)
    assert round(system.clock_mhz, 3) == (100 if workplace.kind == "dataflow" else 142.857)
    assert settings["CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ"] == "50"
    ports = ("USE_M_AXI_GP0", "USE_S_AXI_HP0", "USE_FABRIC_INTERRUPT", "IRQ_F2P_INTR")
    assert all(settings[f"CONFIG.PCW_{port}"] == "1" for port in ports)
    assert settings["CONFIG.PCW_S_AXI_HP0_DATA_WIDTH"] == "64"
    assert settings["CONFIG.PCW_UIPARAM_DDR_PARTNO"] == "MT41J256M16 RE-125"
    for project in workplace.record("project"):
        assert project[project.index("-part") + 1] == "xc7z020clg400-1"
    (automation,) = workplace.record("automation")
    assert 'apply_board_preset "0"' in automation[1]
    assert 'make_external "FIXED_IO, DDR"' in automation[1]


def test_all_rtl_and_images_go_into_the_ip(workplace):
    works(*workplace.command)
    bundle = Bundle.load(workplace.bundle)
    files = [Path(file) for (file,) in workplace.record("file")]
    assert all(file.is_relative_to(workplace.project) for file in files)
    given = {f"{file.parent.name}/{file.name}": file.read_bytes() for file in files}
    hardware = [name for name in bundle.files if name.startswith(("rtl/", "images/"))]
    wrapper = given.pop(f"{workplace.project.name}/bitfold_ip.v")
    assert wrapper == (TCL / "bitfold_ip.v").read_bytes()
    placed = {f"rtl/{name}": file for name, file in CELLS.items()}  # the chip's own
    assert given == {n: placed.get(n, bundle.path / n).read_bytes() for n in hardware}
    assert "images/build_id.hex" in given
    rtl = [file.name.endswith("_pkg.sv") for file in files if file.suffix == ".sv"]
    assert rtl == sorted(rtl, reverse=True), "packages come first"
    images = [file.name for file in files if file.suffix == ".hex"]
    marked = [f for f, *rest in workplace.record("property") if rest == ["type", "mif"]]
    assert sorted(marked) == sorted(2 * [f"ip_file:src/{name}" for name in images])
    tops = workplace.record("property", "fileset:sources_1", "top")
    assert tops == [["bitfold_ip"], ["bitfold_wrapper"]]
    types = {
        Path(f).suffix: kind
        for f, name, kind in workplace.record("property")
        if name == "file_type"
    }
    assert types[".v"] == "Verilog" and types[".sv"] == "SystemVerilog"


def test_the_wrapper_has_the_ports_of_both_overlays(workplace):
    def ports(text: str, module: str) -> list[tuple[str, str, str]]:
        header = re.search(rf"module\s+{module}\s*\((.*?)\);", text, re.DOTALL)[1]
        found = re.findall(r"(input|output)\s+(?:wire|logic)\s+(?:\[\s*(\d+):0\]\s*)?(\w+)", header)
        return [(way, width or "0", name) for way, width, name in found]

    text = (TCL / "bitfold_ip.v").read_text()
    top = re.sub(r"//.*", "", (workplace.bundle / "rtl" / "bitfold_top.sv").read_text())
    assert ports(text, "bitfold_ip") == ports(top, "bitfold_top")
    assert [name for *_, name in ports(text, "bitfold_ip")] == workplace.ports
    assert re.findall(r"\.(\w+)\((\w+)\)", text) == [(name, name) for name in workplace.ports]


def test_an_image_that_is_missing_is_an_error_also_after_an_interruption(workplace):
    workplace.stand_in(fails="synth_1")
    fails(*workplace.command)
    assert workplace.record("message") == [["Synth 8-4445", "ERROR"]]
    workplace.stand_in()
    works(*workplace.command)
    assert workplace.record("message") == [["Synth 8-4445", "ERROR"]]


def test_the_ip_has_the_name_interfaces_and_registers_of_the_system(workplace):
    works(*workplace.command)
    system = workplace.system
    assert [system.ip, system.vlnv] in workplace.record("cell")
    ((*packaged,),) = workplace.record("package")
    name, version = (workplace.record("property", "core:now", n)[0][0] for n in ("name", "version"))
    vendor, library = (packaged[packaged.index(o) + 1] for o in ("-vendor", "-library"))
    assert f"{vendor}:{library}:{name}:{version}" == system.vlnv
    assert sorted(workplace.record("associate")) == [
        ["m_axi_mem", "aclk", "aresetn"],
        ["s_axi_ctrl", "aclk", "aresetn"],
    ]
    inferred = {name: kind.split(":")[2] for name, kind in workplace.record("interface")}
    assert inferred == {"aclk": "clock_rtl", "aresetn": "reset_rtl", "irq": "interrupt_rtl"}
    parameters = {
        "aresetn.POLARITY": "ACTIVE_LOW",
        "irq.SENSITIVITY": "LEVEL_HIGH",
        "m_axi_mem.MAX_BURST_LENGTH": "16",
        "m_axi_mem.SUPPORTS_NARROW_BURST": "0",
        "m_axi_mem.NUM_READ_OUTSTANDING": str(OUTSTANDING),
        "m_axi_mem.NUM_WRITE_OUTSTANDING": str(OUTSTANDING),
        "s_axi_ctrl.NUM_READ_OUTSTANDING": "1",
        "s_axi_ctrl.NUM_WRITE_OUTSTANDING": "1",
    }
    for name, value in parameters.items():
        assert workplace.record("property", f"bus_parameter:{name}") == [["value", value]]
    assert workplace.record("property", "core:now", "ipi_drc") == [["ignore_freq_hz true"]]
    assert workplace.record("property", "address_block:reg0", "range") == [["4096"]]
    assert workplace.record("add", "register") == [[r.name] for r in system.registers]
    for register in system.registers:
        said = {n: v for n, v in workplace.record("property", f"register:{register.name}")}
        assert int(said["address_offset"], 16) == register.offset
        assert said["size"] == "32" and said["description"] == register.description
        for field in register.fields:
            place = f"field:{register.name}.{field.name}"
            said = {n: v for n, v in workplace.record("property", place)}
            assert (said["bit_offset"], said["bit_width"]) == (str(field.low), str(field.width))
            assert said["description"] == field.description


def test_the_newest_ip_is_taken_by_number_and_not_by_letter(small):
    works(*small.command)
    theirs = [vlnv for name, vlnv in small.record("cell") if name != small.system.ip]
    assert len(theirs) == 5 and all(vlnv.endswith(":10.0") for vlnv in theirs)
