# Packages the RTL and the memory images of an overlay as an IP (IP-XACT).

# Packages before the modules that use them.
proc packages_first {files} {
  set packages [lsearch -all -inline -glob $files *_pkg.sv]
  set modules [lsearch -all -inline -not -glob $files *_pkg.sv]
  return [concat $packages $modules]
}

# The bus interface of that name, inferred from the ports where Vivado has not done so itself: AXI
# from the ports that begin with the name, a signal from the one port of that name.
proc bus_interface {name type core} {
  set interface [ipx::get_bus_interfaces -quiet $name -of_objects $core]
  if {[llength $interface] == 0} {
    if {[string match *:aximm_rtl:* $type]} {
      ipx::infer_bus_interfaces $type $core
    } else {
      ipx::infer_bus_interface $name $type $core
    }
    set interface [ipx::get_bus_interfaces -quiet $name -of_objects $core]
  }
  if {[llength $interface] == 0} {
    error "the overlay has no bus interface $name; compile it again"
  }
  return $interface
}

proc set_bus_parameter {interface name value} {
  set parameter [ipx::get_bus_parameters -quiet $name -of_objects $interface]
  if {[llength $parameter] == 0} {
    set parameter [ipx::add_bus_parameter $name $interface]
  }
  set_property value $value $parameter
}

# A file type of its own makes $readmemh find an image by its name.
proc mark_images {core images} {
  foreach group {xilinx_anylanguagesynthesis xilinx_anylanguagebehavioralsimulation} {
    set marked 0
    foreach file [ipx::get_files -of_objects [ipx::get_file_groups $group -of_objects $core]] {
      if {[file extension [get_property name $file]] eq ".hex"} {
        set_property type mif $file
        incr marked
      }
    }
    if {$marked != [llength $images]} {
      error "the IP holds $marked of [llength $images] memory images ($group)"
    }
  }
}

# pynq takes the register map from the handoff, and Vivado that from here.
proc describe_registers {core interface} {
  global system
  set port $system(control_port)
  set map [ipx::get_memory_maps -quiet $port -of_objects $core]
  if {[llength $map] == 0} {
    set map [ipx::add_memory_map $port $core]
    set_property slave_memory_map_ref $port $interface
  }
  # One block only: with a second, pynq finds the IP under another name.
  foreach block [ipx::get_address_blocks -quiet -of_objects $map] {
    ipx::remove_address_block [get_property name $block] $map
  }
  set block [ipx::add_address_block reg0 $map]
  set_property base_address 0 $block
  set_property range [expr {$system(control_size)}] $block
  set_property width 32 $block
  set_property usage register $block
  foreach register $system(registers) {
    lassign $register name offset access description fields
    set made [ipx::add_register $name $block]
    set_property address_offset $offset $made
    set_property size 32 $made
    set_property access $access $made
    set_property description $description $made
    foreach field $fields {
      lassign $field field_name low width field_description
      set made_field [ipx::add_field $field_name $made]
      set_property bit_offset $low $made_field
      set_property bit_width $width $made_field
      set_property access $access $made_field
      set_property description $field_description $made_field
    }
  }
}

# Makes the IP $system(vlnv) in `folder` from bitfold_ip.v, rtl/ and images/ in `here`.
proc package_ip {here folder} {
  global system
  lassign [split $system(vlnv) :] vendor library name version
  set rtl [packages_first [lsort [glob -directory [file join $here rtl] *.sv]]]
  set images [lsort [glob -directory [file join $here images] *.hex]]
  create_project -in_memory -part $system(part) package
  add_files -norecurse $rtl
  set_property file_type SystemVerilog [get_files $rtl]
  # The top of an IP must be Verilog.
  set wrapper [list [file join $here bitfold_ip.v]]
  add_files -norecurse $wrapper
  set_property file_type Verilog [get_files $wrapper]
  add_files -norecurse $images
  set_property file_type {Memory Initialization Files} [get_files $images]
  set_property top bitfold_ip [current_fileset]
  update_compile_order -fileset sources_1

  ipx::package_project -root_dir $folder -vendor $vendor -library $library -taxonomy /UserIP \
    -import_files -force
  set core [ipx::current_core]
  set_property name $name $core
  set_property version $version $core
  set_property display_name "bitfold overlay" $core
  set_property description "bitfold overlay, build $system(build_id)" $core
  # The clock is the block design's.
  set_property ipi_drc {ignore_freq_hz true} $core
  mark_images $core $images

  set aximm xilinx.com:interface:aximm_rtl:1.0
  bus_interface aclk xilinx.com:signal:clock_rtl:1.0 $core
  set reset [bus_interface aresetn xilinx.com:signal:reset_rtl:1.0 $core]
  set_bus_parameter $reset POLARITY ACTIVE_LOW
  set control [bus_interface $system(control_port) $aximm $core]
  set memory [bus_interface $system(memory_port) $aximm $core]
  set interrupt [bus_interface $system(interrupt_port) xilinx.com:signal:interrupt_rtl:1.0 $core]
  set_bus_parameter $interrupt SENSITIVITY LEVEL_HIGH
  foreach port [list $system(control_port) $system(memory_port)] {
    ipx::associate_bus_interfaces -busif $port -clock aclk -reset aresetn $core
  }
  # Bursts of the length of AXI3, all of whole beats: the way to the memory need not split them.
  set_bus_parameter $memory MAX_BURST_LENGTH 16
  set_bus_parameter $memory SUPPORTS_NARROW_BURST 0
  # Bursts that the overlay has in flight each way: OUTSTANDING of axi_reader and axi_writer.
  set_bus_parameter $memory NUM_READ_OUTSTANDING 8
  set_bus_parameter $memory NUM_WRITE_OUTSTANDING 8
  # Of the registers: one access at a time.
  set_bus_parameter $control NUM_READ_OUTSTANDING 1
  set_bus_parameter $control NUM_WRITE_OUTSTANDING 1
  if {[llength [ipx::get_address_spaces -quiet $system(memory_port) -of_objects $core]] == 0} {
    set space [ipx::add_address_space $system(memory_port) $core]
    set_property range 4G $space
    set_property master_address_space_ref $system(memory_port) $memory
  }
  describe_registers $core $control

  ipx::create_xgui_files $core
  ipx::update_checksums $core
  ipx::check_integrity $core
  ipx::save_core $core
  close_project
}
