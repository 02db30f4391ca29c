"""The description of a board's system, and the .hwh from it as pynq reads it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from support.random_networks import Shape, random_network

from bitfold.build.compile.compiler import compile_dataflow, make_engine
from bitfold.models.errors import BundleError, OverlayError
from bitfold.overlays.boards.agreement import check_handoff
from bitfold.overlays.boards.handoff import handoff
from bitfold.overlays.boards.system import BOARDS, AddressRange, System
from bitfold.overlays.bundle import Bundle
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.offload import Engine
from bitfold.overlays.registers import ADDRESS_BITS, TABLE, Access

SHAPE = Shape((6, 4, 3), ("UINT4", "BIPOLAR"), ("INT3", "BIPOLAR"), None, False, False)
FOLDING = {"fc0": Fold(2, 3), "fc1": Fold(1, 4)}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "dataflow": compile_dataflow(random_network(SHAPE, 1), FOLDING, folder / "net"),
        "offload": make_engine(Engine(8, 64, 64, 16, 3), folder / "engine", 150.0),
    }


@pytest.fixture(params=["dataflow", "offload"])
def system(request, bundles) -> System:
    return System.of(bundles[request.param], "pynq-z2")


# The description.


def test_a_system_is_that_of_its_bundle_and_board(bundles):
    system = System.of(bundles["dataflow"], "pynq-z1")
    assert system.board == BOARDS["pynq-z1"]
    assert system.board.part == "xc7z020clg400-1"
    assert system.build_id == bundles["dataflow"].build_id
    assert system.layers == 2
    assert system.clock_mhz == 100
    assert System.of(bundles["offload"], "pynq-z1").layers == 3


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (100, 100),
        (250, 250),
        (150, 1000 / 7),
        (142.857, 1000 / 7),
        (142.8, 125),
        (99.9, 1000 / 11),
        (33.3, 1000 / 31),
        (0.252, 1000 / (63 * 63)),
    ],
)
def test_the_clock_is_the_fastest_that_is_not_above_the_bundles(asked, given, bundles):
    slow = replace(bundles["offload"], clock_mhz=asked)
    system = System.of(slow, "pynq-z2")
    assert system.clock_mhz == pytest.approx(given, rel=1e-12)
    assert all(1 <= divisor <= 63 for divisor in system.divisors)


@pytest.mark.parametrize("clock", [0.2, 251, 1000])
def test_a_clock_that_the_processor_can_not_give_is_refused(clock, bundles):
    with pytest.raises(OverlayError, match=f"no clock of {clock:g} MHz; compile with --clock betw"):
        System.of(replace(bundles["offload"], clock_mhz=float(clock)), "pynq-z2")


def test_a_board_that_is_not_known_is_refused_with_those_that_are(bundles):
    with pytest.raises(OverlayError, match="zcu104: no such board; choose one of pynq-z1, pynq-z2"):
        System.of(bundles["offload"], "zcu104")


def test_the_addresses_are_apart_and_aligned_to_their_size(system):
    ranges = (system.control, system.interrupt_control)
    for addresses in ranges:
        assert addresses.base % addresses.size == 0
        # What the Zynq's general purpose port 0 leads to. Source: UG585, table 4-1.
        assert 0x40000000 <= addresses.base <= addresses.last <= 0x7FFFFFFF
    first, second = sorted(ranges, key=lambda addresses: addresses.base)
    assert first.last < second.base
    assert system.control.size == 1 << ADDRESS_BITS
    assert system.memory == AddressRange(0, 512 * 2**20)


def test_the_documentation_says_these_addresses(system):
    page = (Path(__file__).parents[2] / "docs" / "board.md").read_text()
    for name, addresses in (
        (system.ip, system.control),
        (system.interrupt_controller, system.interrupt_control),
    ):
        said = f"0x{addresses.base:08X}, {addresses.size // 1024} KiB |"
        assert re.search(rf"\| `{name}` \|.*\| {re.escape(said)}", page), name
    assert all(f"Pynq-Z{name[-1]}" in page for name in BOARDS)


def test_the_register_map_has_a_register_for_each_layer(system):
    registers = {register.name: register for register in system.registers}
    assert len(registers) == len(system.registers)
    single = [register for register in TABLE if not register.stride]
    assert len(registers) == len(single) + 2 * system.layers
    assert all(registers[register.name] == register for register in single)
    assert registers["LAYER_BUSY_1"].offset == 0x108
    assert registers["LAYER_STALLED_1"].offset == 0x10C
    offsets = [register.offset for register in system.registers]
    assert len(set(offsets)) == len(offsets)


# The handoff, as pynq reads it.


@pytest.fixture
def parsed(system, tmp_path) -> SimpleNamespace:
    """What pynq takes from the .hwh of `system`."""
    metadata = pytest.importorskip("pynqmetadata.frontends", reason="pynqmetadata is not here")
    runtime = pytest.importorskip("pynqmetadata.views.runtime", reason="pynq < 3.1 has its own")
    file = tmp_path / "bitfold.hwh"
    file.write_text(handoff(system))
    design = metadata.Metadata(input=file)
    return SimpleNamespace(design=design, view=runtime.RuntimeMetadataParser(design))


def test_pynq_finds_the_overlay_at_its_address(system, parsed):
    ip = parsed.view.ip_dict[system.ip]
    assert (ip["phys_addr"], ip["addr_range"]) == (system.control.base, system.control.size)
    assert ip["type"] == system.vlnv
    interrupts = parsed.view.ip_dict[system.interrupt_controller]
    addresses = system.interrupt_control
    assert (interrupts["phys_addr"], interrupts["addr_range"]) == (addresses.base, addresses.size)


def test_pynq_finds_every_register_and_field(system, parsed):
    found = parsed.view.ip_dict[system.ip]["registers"]
    assert list(found) == [register.name for register in system.registers]
    for register in system.registers:
        said = found[register.name]
        access = "read-only" if register.access is Access.RO else "read-write"
        assert (said["address_offset"], said["size"]) == (register.offset, 32)
        assert (said["access"], said["description"]) == (access, register.description)
        assert {n: (f["bit_offset"], f["bit_width"]) for n, f in said["fields"].items()} == {
            field.name: (field.low, field.width) for field in register.fields
        }


def test_pynq_finds_the_interrupt_behind_its_controller(system, parsed):
    line = f"{system.ip}/{system.interrupt_port}"
    assert parsed.view.interrupt_pins[line]["controller"] == system.interrupt_controller
    assert parsed.view.interrupt_pins[line]["index"] == 0
    # 61 is the number that IRQ_F2P[0] has on a Zynq-7000.
    assert parsed.view.interrupt_controllers == {
        system.interrupt_controller: {"parent": "", "index": 0, "raw_irq": 61}
    }
    assert set(parsed.view.ip_dict[system.ip]["interrupts"]) == {system.interrupt_port}


def test_pynq_finds_the_clock_and_its_divisors(system, parsed):
    clocks = parsed.view.clock_dict
    assert [clocks[index]["enable"] for index in range(4)] == [1, 0, 0, 0]
    assert (clocks[0]["divisor0"], clocks[0]["divisor1"]) == system.divisors
    assert clocks[0]["frequency"] == pytest.approx(system.clock_mhz, abs=1e-6)
    assert clocks[0]["src_sel"] == "IO PLL"


def test_pynq_finds_no_memory_but_the_processors(parsed):
    assert parsed.view.mem_dict == {}
    assert parsed.view.ps_name == System.processor


def test_the_overlay_reaches_all_memory_over_64_bits(system, parsed):
    master = parsed.design.blocks[system.ip].ports[system.memory_port]
    (reached,) = master.addrmap.values()
    assert (reached["baseaddr"], reached["addr_range"]) == (0, 512 * 2**20)
    assert reached["subord_port"].startswith(system.processor) or (
        system.processor_memory_port in reached["subord_port"]
    )
    interfaces = ElementTree.fromstring(handoff(system)).iter("BUSINTERFACE")
    widths = {i.attrib["NAME"]: i.attrib["DATAWIDTH"] for i in interfaces}
    assert widths[system.memory_port] == widths[system.processor_memory_port] == "64"


def test_an_emulated_board_has_no_interrupts(system, tmp_path):
    metadata = pytest.importorskip("pynqmetadata.frontends", reason="pynqmetadata is not here")
    runtime = pytest.importorskip("pynqmetadata.views.runtime", reason="pynq < 3.1 has its own")
    file = tmp_path / "bitfold.hwh"
    file.write_text(handoff(system, interrupts=False))
    view = runtime.RuntimeMetadataParser(metadata.Metadata(input=file))
    assert view.interrupt_pins == view.interrupt_controllers == {}
    assert set(view.ip_dict) == {system.ip, system.processor}


def test_pynqs_own_register_map_reads_and_writes_by_name(system, parsed):
    pynq_registers = pytest.importorskip("pynq.registers", reason="pynq is not here")
    import numpy as np

    registers = parsed.view.ip_dict[system.ip]["registers"]
    memory = np.zeros(system.control.size // 4, np.uint32)
    made = pynq_registers.RegisterMap.create_subclass("Overlay", registers)(memory)
    memory[0x024 // 4] = 0x0000_1203
    assert (int(made.STATUS.idle), int(made.STATUS.done), int(made.STATUS.error)) == (1, 1, 0x12)
    made.FRAMES = 7
    assert memory[0x034 // 4] == 7
    made.CONTROL.irq_enable = 1
    assert memory[0x020 // 4] == 4


# The check of a handoff that Vivado wrote.


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (
            "0x43C00FFF",
            "0x43C0FFFF",
            "the address from processing_system7_0.M_AXI_GP0 to bitfold_0 is 0x43C00000 to 0x",
        ),
        (
            "0x4180",
            "0x4181",
            "the address from processing_system7_0.M_AXI_GP0 to axi_intc_0 is 0x41810000 to",
        ),
        (
            "0x1FFFFFFF",
            "0x0FFFFFFF",
            "the address from bitfold_0.m_axi_mem to processing_system7_0 is 0x0000",
        ),
        ("bitfold_top:1.0", "bitfold_top:2.0", "the type of bitfold_0 is bitfold:overlay:bitfold_"),
        ('VALUE="0x34"', 'VALUE="0x3C"', "the offset of FRAMES is 60 and not 52"),
        (
            'NAME="BIT_WIDTH" VALUE="8"',
            'NAME="BIT_WIDTH" VALUE="4"',
            r"STATUS.error is \(8, 4\) an",
        ),
        ('"LAYER_BUSY_1"', '"LAYER_BUSY_9"', "the offset of LAYER_BUSY_1 is None and not 264"),
        ('DATAWIDTH="64"', 'DATAWIDTH="32"', "the width of S_AXI_HP0 is 32 and not 64"),
        (
            'DATAWIDTH="64" NAME="m_axi_mem"',
            'DATAWIDTH="32" NAME="m_axi_mem"',
            "the width of m_axi_mem is 32 and not 64",
        ),
        (
            'DATAWIDTH="32" NAME="s_axi_ctrl"',
            'DATAWIDTH="64" NAME="s_axi_ctrl"',
            "the width of s_axi_ctrl is 64 and not 32",
        ),
        ("processing_system7:5.5", "processing_system7:6.0", "of processing_system7_0 is xilinx"),
        (
            'FCLK0_PERIPHERAL_DIVISOR0" VALUE="',
            'FCLK0_PERIPHERAL_DIVISOR0" VALUE="1',
            "the clock in MHz, by its divisors, is [0-9.]+ and not",
        ),
        ("FCLK0_PERIPHERAL_DIVISOR0", "FCLK0_DIVISOR0", "by its divisors, is None and not"),
        ('CLKSRC" VALUE="IO PLL"', 'CLKSRC" VALUE="ARM PLL"', "the source of the clock is ARM PLL"),
        (
            'FCLK0_ENABLE" VALUE="1"',
            'FCLK0_ENABLE" VALUE="0"',
            "what turns the clock on is 0 and not 1",
        ),
        ("FREQMHZ", "FREQUENCY", "the clock in MHz is None"),
    ],
)
def test_a_handoff_of_another_system_is_refused_with_the_difference(was, becomes, said, system):
    text = handoff(system)
    check_handoff(system, text)
    assert was in text
    with pytest.raises(BundleError, match=f"the .hwh is not of this bundle: .*{said}"):
        check_handoff(system, text.replace(was, becomes))


def test_a_clock_that_vivado_rounded_is_the_same_and_one_beside_it_is_not(bundles):
    system = System.of(bundles["offload"], "pynq-z2")
    text = handoff(system)
    assert 'FREQMHZ" VALUE="142.857143"' in text
    check_handoff(system, text.replace("142.857143", "142.857132"))
    with pytest.raises(BundleError, match=r"clock in MHz is 142\.85 and not 142\.857143"):
        check_handoff(system, text.replace("142.857143", "142.85"))


def test_a_handoff_that_states_the_clock_twice_has_to_state_it_right_twice(system):
    text = handoff(system)
    stated = re.search(r'<PARAMETER NAME="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ"[^>]*>', text)[0]
    check_handoff(system, text.replace(stated, stated + stated))
    other = re.sub('VALUE="[^"]*"', 'VALUE="50.0"', stated)
    for both in (stated + other, other + stated):
        with pytest.raises(BundleError, match=r"clock in MHz is 50\.0 and not"):
            check_handoff(system, text.replace(stated, both))


@pytest.mark.parametrize("divisor", ["0", "x", ""])
def test_a_divisor_that_is_none_is_no_handoff(divisor, system):
    text = re.sub('(FCLK0_PERIPHERAL_DIVISOR0" VALUE=")[^"]*', rf"\g<1>{divisor}", handoff(system))
    with pytest.raises(BundleError, match=r"the \.hwh can't be read"):
        check_handoff(system, text)


def test_a_handoff_without_the_overlay_is_no_bitfold_overlay(system):
    text = handoff(system).replace(system.ip, "axi_dma_0")
    with pytest.raises(BundleError, match="holds no bitfold_0, so it is no bitfold overlay"):
        check_handoff(system, text)


@pytest.mark.parametrize("text", ["", "no XML", "<EDKSYSTEM/>"])
def test_what_is_no_handoff_is_refused(text, system):
    with pytest.raises(BundleError, match=r"the \.hwh can't be read .* give the one that Vivado"):
        check_handoff(system, text)


def test_the_handoff_without_interrupts_is_not_taken_for_vivados(system):
    with pytest.raises(BundleError, match="to axi_intc_0 is None"):
        check_handoff(system, handoff(system, interrupts=False))
