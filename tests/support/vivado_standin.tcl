# Stands in for Vivado: tclsh vivado_standin.tcl FOLDER -mode batch ... -source SCRIPT
#
# Takes the commands that our Tcl uses, checks that what they name exists, and writes down what
# they ask for in FOLDER/record, one fact a line, its words parted by tabs. FOLDER/scenario.tcl
# sets the array `scenario`: version, ports (names of the IP), handoff (a .hwh), wns, whs, fails (a
# run that does), clock_off (MHz that the clock is off by).
#
# Objects are strings with their kind before a colon: pin:ps/FCLK_CLK0. An unknown command, cell,
# pin or interface is an error here where Vivado only warns.

set folder [lindex $argv 0]
array set scenario {version 2022.1 wns 0.321 whs 0.035 fails {} clock_off 0}
source [file join $folder scenario.tcl]
set log [open [file join $folder record] a]
array set properties {}
array set cells {}
array set objects {}

proc record {args} {
  global log
  puts $log [join $args \t]
  flush $log
}

proc option {name words {default {}}} {
  set at [lsearch -exact $words $name]
  if {$at < 0} {
    return $default
  }
  return [lindex $words $at+1]
}

# Pins, then bus interfaces, of Vivado's own IPs as far as we use them.
array set known {
  processing_system7 {
    {FCLK_CLK0 FCLK_RESET0_N M_AXI_GP0_ACLK S_AXI_HP0_ACLK IRQ_F2P}
    {M_AXI_GP0 S_AXI_HP0 DDR FIXED_IO}
  }
  proc_sys_reset {
    {slowest_sync_clk ext_reset_in aux_reset_in dcm_locked interconnect_aresetn
     peripheral_aresetn}
    {}
  }
  smartconnect {{aclk aresetn} {S00_AXI M00_AXI M01_AXI}}
  axi_intc {{s_axi_aclk s_axi_aresetn intr irq} {s_axi}}
}

# Properties of any object.
proc set_property {args} {
  global properties
  if {[lindex $args 0] eq "-dict"} {
    lassign $args -> pairs object
  } else {
    lassign $args name value object
    set pairs [list $name $value]
  }
  if {$object eq ""} {
    error "set_property: no object"
  }
  foreach {name value} $pairs {
    foreach each $object {
      set properties($each,$name) $value
      record property $each $name $value
    }
  }
}
proc get_property {name object} {
  global properties scenario
  if {$name in {VLNV name NAME}} {
    return [lmap each $object {regsub {^[a-z_]+:} $each {}}]
  }
  if {$name eq "CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ"} {
    return [actual_clock $object]
  }
  return $properties($object,$name)
}

# The nearest clock that the IO PLL of 20 crystals gives.
proc actual_clock {ps} {
  global properties scenario
  set pll [expr {20.0 * $properties($ps,CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ)}]
  set asked $properties($ps,CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ)
  set best 0
  for {set first 1} {$first < 64} {incr first} {
    for {set second 1} {$second < 64} {incr second} {
      set clock [expr {$pll / ($first * $second)}]
      if {abs($clock - $asked) < abs($best - $asked)} {
        set best $clock
      }
    }
  }
  return [format %.6f [expr {$best + $scenario(clock_off)}]]
}

# Projects and files.
proc version {option} {
  global scenario
  return $scenario(version)
}
proc create_project {args} {
  global project_folder project_name objects
  record project {*}$args
  array unset objects file:*
  if {[lindex $args 0] ne "-in_memory"} {
    lassign $args project_name project_folder
    close [open [file join $project_folder $project_name.xpr] w]
  }
}
proc open_project {file} {
  global project_folder project_name properties
  if {![file exists $file]} {
    error "open_project: no $file"
  }
  record open $file
  set project_folder [file dirname $file]
  set project_name [file rootname [file tail $file]]
  if {[file exists [file join $project_folder runs]]} {
    source [file join $project_folder runs]
  }
}
proc close_project {} {}
proc current_project {} {return project:now}
proc current_fileset {} {return fileset:sources_1}
proc current_design {} {return design:impl_1}
proc update_ip_catalog {} {
  global properties
  if {![file exists [file join $properties(project:now,ip_repo_paths) component.xml]]} {
    error "update_ip_catalog: no IP in $properties(project:now,ip_repo_paths)"
  }
}
proc add_files {option files} {
  global objects
  foreach file $files {
    if {![file exists $file]} {
      error "add_files: no $file"
    }
    set objects(file:$file) 1
    record file $file
  }
}
proc get_files {names} {
  global objects
  return [lmap name $names {
    if {![info exists objects(file:$name)]} {
      error "get_files: no $name in the project"
    }
    string cat file: $name
  }]
}
proc update_compile_order {args} {}
proc set_msg_config {args} {record message [option -id $args] [option -new_severity $args]}

# The IP packager.
namespace eval ipx {
  proc package_project {args} {
    global objects scenario
    record package {*}$args
    set root [option -root_dir $args]
    file mkdir $root
    close [open [file join $root component.xml] w]
    # AXI interfaces are found by their names, clock, reset and interrupt are not.
    foreach port $scenario(ports) {
      if {[regexp {^([sm]_axi_\w+?)_(?:awaddr|araddr)$} $port -> name]} {
        set objects(bus_interface:$name) 1
      }
    }
  }
  proc current_core {} {return core:now}
  proc one_or_all {kind words} {
    global objects
    set words [lsearch -all -inline -not -exact $words -quiet]
    if {[lindex $words 0] eq "-of_objects"} {
      return [array names objects $kind:*]
    }
    return [array names objects $kind:[lindex $words 0]]
  }
  proc add {kind name} {
    global objects
    set objects($kind:$name) 1
    record add $kind $name
    return $kind:$name
  }
  proc remove {kind name} {
    global objects
    unset objects($kind:$name)
  }
  proc get_bus_interfaces {args} {return [one_or_all bus_interface $args]}
  proc infer_bus_interface {name type core} {
    global scenario
    if {$name in $scenario(ports)} {
      record interface $name $type
      add bus_interface $name
    }
  }
  proc infer_bus_interfaces {type core} {}
  proc get_bus_parameters {args} {return {}}
  proc add_bus_parameter {name interface} {
    return [add bus_parameter [regsub {^[a-z_]+:} $interface {}].$name]
  }
  proc associate_bus_interfaces {args} {
    record associate [option -busif $args] [option -clock $args] [option -reset $args]
  }
  proc get_file_groups {name args} {return file_group:$name}
  # Every file of the project is in every group, under src/.
  proc get_files {option group} {
    global objects
    return [lmap file [array names objects file:*] {
      string cat ip_file: src/ [file tail $file]
    }]
  }
  proc get_memory_maps {args} {return [one_or_all memory_map $args]}
  proc add_memory_map {name core} {
    # As Vivado does for an AXI slave.
    global objects
    set objects(address_block:reg_unwanted) 1
    return [add memory_map $name]
  }
  proc get_address_blocks {args} {return [one_or_all address_block $args]}
  proc remove_address_block {name map} {remove address_block $name}
  proc add_address_block {name map} {return [add address_block $name]}
  proc get_address_spaces {args} {return [one_or_all address_space $args]}
  proc add_address_space {name core} {return [add address_space $name]}
  proc add_register {name block} {return [add register $name]}
  proc add_field {name register} {
    return [add field [regsub {^[a-z_]+:} $register {}].$name]
  }
  proc create_xgui_files {core} {}
  proc update_checksums {core} {}
  proc check_integrity {core} {}
  proc save_core {core} {
    global objects
    set blocks [array names objects address_block:*]
    if {[llength $blocks] != 1} {
      error "the IP has the address blocks $blocks"
    }
  }
}

# The block design.
proc get_ipdefs {pattern} {
  global known
  set name [lindex [split $pattern :] 2]
  # In an order that a plain sort gets wrong.
  return [expr {[info exists known($name)] ? [list ip:xilinx.com:ip:$name:9.0 \
    ip:xilinx.com:ip:$name:10.0] : {}}]
}
proc create_bd_design {name} {record design $name}
proc create_bd_cell {args} {
  global cells known scenario objects
  set name [lindex $args end]
  set vlnv [option -vlnv $args]
  set kind [lindex [split $vlnv :] 2]
  record cell $name $vlnv
  if {[info exists known($kind)]} {
    set cells($name) $known($kind)
  } else {
    set interfaces [lsearch -all -inline [array names objects bus_interface:*] *_axi_*]
    set interfaces [lmap each $interfaces {regsub {^[a-z_]+:} $each {}}]
    set pins {}
    foreach port $scenario(ports) {
      if {![regexp {^[sm]_axi_} $port]} {
        lappend pins $port
      }
    }
    set cells($name) [list $pins $interfaces]
  }
  return cell:$name
}
proc get_bd_cells {name} {
  global cells
  if {![info exists cells($name)]} {
    error "get_bd_cells: no $name"
  }
  return cell:$name
}
proc find_pin {kind index path} {
  global cells
  lassign [split $path /] cell pin
  if {![info exists cells($cell)] || $pin ni [lindex $cells($cell) $index]} {
    error "no $kind $path"
  }
  return $kind:$path
}
proc get_bd_pins {path} {return [find_pin pin 0 $path]}
proc get_bd_intf_pins {path} {return [find_pin intf_pin 1 $path]}
proc connect {kind pins} {
  foreach pin $pins {
    if {![string match $kind:* $pin]} {
      error "$pin is no $kind"
    }
  }
  record connect $kind {*}[lmap pin $pins {regsub {^[a-z_]+:} $pin {}}]
}
proc connect_bd_net {args} {connect pin $args}
proc connect_bd_intf_net {args} {connect intf_pin $args}
proc apply_bd_automation {args} {
  record automation [option -rule $args] [regsub -all {\s+} [option -config $args] { }]
}
proc get_bd_addr_spaces {path} {return addr_space:$path}
proc get_bd_addr_segs {path} {return addr_seg:$path}
proc assign_bd_address {args} {
  record address [option -target_address_space $args] [lindex $args end-1] \
    [option -offset $args] [option -range $args]
}
proc validate_bd_design {} {record validate}
proc save_bd_design {} {
  global objects
  set objects(file:bitfold.bd) 1
}
proc generate_target {what file} {
  global project_folder project_name scenario
  set place [file join $project_folder $project_name.gen sources_1 bd bitfold hw_handoff]
  file mkdir $place
  file copy -force $scenario(handoff) [file join $place bitfold.hwh]
}
proc make_wrapper {args} {record wrapper {*}$args}

# Runs.
proc get_runs {name} {
  global properties project_folder
  foreach {property value} {PROGRESS 0% STATUS {Not started}} {
    if {![info exists properties(run:$name,$property)]} {
      set properties(run:$name,$property) $value
    }
  }
  set properties(run:$name,DIRECTORY) [file join $project_folder bitfold.runs $name]
  return run:$name
}
proc reset_run {name} {record reset_run $name}
proc launch_runs {name args} {
  global properties scenario project_folder
  record launch $name
  if {$scenario(fails) eq $name} {
    set properties(run:$name,STATUS) "$name ERROR"
    return
  }
  set properties(run:$name,PROGRESS) 100%
  set kept [open [file join $project_folder runs] a]
  puts $kept [list set properties(run:$name,PROGRESS) 100%]
  close $kept
}
proc wait_on_run {name} {}
proc open_run {name} {
  global properties scenario
  set properties(run:$name,STATS.WNS) $scenario(wns)
  set properties(run:$name,STATS.WHS) $scenario(whs)
}
proc report_timing_summary {args} {}
proc report_utilization {args} {}
proc write_bitstream {option file} {
  global properties
  set id [string range $properties(design:impl_1,BITSTREAM.CONFIG.USERID) 2 end]
  set header [binary format SH18S 9 0ff00ff00ff00ff000 1]
  set name "bitfold_wrapper;UserID=0X[string toupper $id];Version=2022.1\0"
  foreach {key text} [list a $name b "7z020clg400\0" c "2026/01/01\0" d "00:00:00\0"] {
    append header $key [binary format Sa* [string length $text] $text]
  }
  set out [open $file wb]
  puts -nonewline $out $header[binary format aIH8 e 4 ffffffff]
  close $out
  record bitstream [file tail $file]
}

source [option -source $argv]
