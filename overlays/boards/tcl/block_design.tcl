# Builds the block design: the processor, the overlay, and what lies between them.

# The newest version of one of Vivado's IPs.
proc newest {name} {
  set found [lsort -dictionary [get_property VLNV [get_ipdefs "xilinx.com:ip:$name:*"]]]
  if {[llength $found] == 0} {
    error "this Vivado has no IP named $name; install support for Zynq-7000"
  }
  return [lindex $found end]
}

proc cell {name vlnv} {
  return [create_bd_cell -type ip -vlnv $vlnv $name]
}

# Connects pins; each is cell/pin.
proc wire {args} {
  set pins {}
  foreach pin $args {
    lappend pins [get_bd_pins $pin]
  }
  connect_bd_net {*}$pins
}

proc bus {from to} {
  connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}

proc address {space segment base size} {
  assign_bd_address -offset $base -range $size \
    -target_address_space [get_bd_addr_spaces $space] [get_bd_addr_segs $segment] -force
}

# The processor of the board, with the ports and the clock that the overlay needs.
proc processor {} {
  global system processor_settings
  set ps $system(processor)
  cell $ps [newest processing_system7]
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config {
    make_external "FIXED_IO, DDR" apply_board_preset "0" Master "Disable" Slave "Disable"
  } [get_bd_cells $ps]
  set memory_port [string map {S_AXI_ {}} $system(processor_memory_port)]
  set control_port $system(processor_control_port)
  set settings [concat $processor_settings [list \
    PCW_EN_CLK0_PORT 1 \
    PCW_EN_RST0_PORT 1 \
    PCW_FPGA_FCLK0_ENABLE 1 \
    PCW_FPGA_FCLK1_ENABLE 0 \
    PCW_FPGA_FCLK2_ENABLE 0 \
    PCW_FPGA_FCLK3_ENABLE 0 \
    PCW_FPGA0_PERIPHERAL_FREQMHZ $system(clock_mhz) \
    PCW_USE_$control_port 1 \
    PCW_USE_S_AXI_$memory_port 1 \
    PCW_S_AXI_${memory_port}_DATA_WIDTH $system(memory_data_bits) \
    PCW_USE_FABRIC_INTERRUPT 1 \
    PCW_IRQ_F2P_INTR 1]]
  set properties {}
  foreach {name value} $settings {
    lappend properties CONFIG.$name $value
  }
  set_property -dict $properties [get_bd_cells $ps]
  set actual [get_property CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ [get_bd_cells $ps]]
  if {abs($actual - $system(clock_mhz)) > 0.001} {
    error "the processor gives a clock of $actual MHz and not $system(clock_mhz);\
      compile with --clock $actual"
  }
}

proc block_design {} {
  global system
  set ps $system(processor)
  set ip $system(ip)
  set interrupts $system(interrupt_controller)
  create_bd_design $system(name)
  processor
  cell $ip $system(vlnv)
  cell reset [newest proc_sys_reset]
  cell control [newest smartconnect]
  set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2 CONFIG.NUM_CLKS 1} [get_bd_cells control]
  cell memory [newest smartconnect]
  set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1 CONFIG.NUM_CLKS 1} [get_bd_cells memory]
  # One level-sensitive line; pynq knows no other way to a waiting program.
  cell $interrupts [newest axi_intc]
  set_property -dict {CONFIG.C_IRQ_CONNECTION 1} [get_bd_cells $interrupts]

  wire $ps/FCLK_CLK0 $ps/$system(processor_control_port)_ACLK \
    $ps/$system(processor_memory_port)_ACLK reset/slowest_sync_clk control/aclk memory/aclk \
    $interrupts/s_axi_aclk $ip/aclk
  wire $ps/FCLK_RESET0_N reset/ext_reset_in
  wire reset/interconnect_aresetn control/aresetn memory/aresetn
  wire reset/peripheral_aresetn $interrupts/s_axi_aresetn $ip/aresetn
  bus $ps/$system(processor_control_port) control/S00_AXI
  bus control/M00_AXI $ip/$system(control_port)
  bus control/M01_AXI $interrupts/s_axi
  bus $ip/$system(memory_port) memory/S00_AXI
  bus memory/M00_AXI $ps/$system(processor_memory_port)
  wire $ip/$system(interrupt_port) $interrupts/intr
  wire $interrupts/irq $ps/$system(processor_interrupt_port)

  address $ps/Data $ip/$system(control_port)/reg0 $system(control_base) $system(control_size)
  address $ps/Data $interrupts/S_AXI/Reg $system(interrupt_control_base) \
    $system(interrupt_control_size)
  set memory_port [string map {S_AXI_ {}} $system(processor_memory_port)]
  address $ip/$system(memory_port) $ps/S_AXI_$memory_port/${memory_port}_DDR_LOWOCM \
    $system(memory_base) $system(memory_size)

  validate_bd_design
  save_bd_design
  set design [get_files $system(name).bd]
  generate_target all $design
  make_wrapper -files $design -top -import
  set_property top $system(name)_wrapper [current_fileset]
  update_compile_order -fileset sources_1
}
