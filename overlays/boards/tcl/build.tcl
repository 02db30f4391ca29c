# Makes the bitstream of one overlay:  vivado -mode batch -source build.tcl
#
# Beside this file: system.tcl, the settings; processor.tcl, the board's processor; bitfold_ip.v, the
# top; rtl/ and images/. Leaves the bitstream and its hardware handoff in output/, or neither. It may be started
# again after an interruption: what has finished in work/ is kept.

set here [file dirname [file normalize [info script]]]
foreach name {system processor package_ip block_design implement} {
  source [file join $here $name.tcl]
}

# A line that a user sees.
proc say {text} {
  puts "bitfold: $text"
  flush stdout
}

# An image that $readmemh does not find is a warning, and the memory empty: a wrong overlay.
proc refuse_missing_images {} {
  set_msg_config -id {Synth 8-4445} -new_severity ERROR
}

# Commands below take arguments that older versions do not.
proc check_version {} {
  set version [version -short]
  regexp {^(\d+)\.(\d+)} $version -> year quarter
  if {$year < 2020 || ($year == 2020 && $quarter < 2)} {
    error "Vivado $version is too old; use 2020.2 or newer"
  }
}

proc build {here} {
  global system
  set work [file join $here work]
  set output [file join $here output]
  file delete -force $output
  file mkdir $output
  check_version
  set project [file join $work $system(name).xpr]
  set designed [file join $work design.done]
  if {[file exists $designed]} {
    say "continuing in $work"
    open_project $project
    refuse_missing_images
  } else {
    file delete -force $work
    file mkdir $work
    say "packaging the overlay as an IP"
    set ip_folder [file join $work ip]
    package_ip $here $ip_folder
    say "building the block design"
    create_project $system(name) $work -part $system(part)
    refuse_missing_images
    set_property ip_repo_paths $ip_folder [current_project]
    update_ip_catalog
    block_design
    close [open $designed w]
  }
  implement $work $output
  say "done: $output"
}

if {[catch {build $here} message]} {
  puts "bitfold: error: $message"
  exit 1
}
