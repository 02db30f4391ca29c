# Synthesises, places and routes; checks the timing; writes the bitstream.

# Runs what of `run` has not finished yet.
proc finish {run what} {
  if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
    say $what
    reset_run $run
    launch_runs $run -jobs 4
    wait_on_run $run
  }
  if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
    error "$what failed ([get_property STATUS [get_runs $run]]); its log is\
      [file join [get_property DIRECTORY [get_runs $run]] runme.log]"
  }
}

# A bitstream that misses its timing gives wrong answers now and then: there shall be none.
proc check_timing {} {
  global system
  set run [get_runs impl_1]
  set setup [get_property STATS.WNS $run]
  set hold [get_property STATS.WHS $run]
  if {$setup eq "" || $hold eq ""} {
    error "no path has a timing constraint, so nothing is known of the clock; report this"
  }
  if {$setup < 0} {
    set reached [expr {int(1000.0 / (1000.0 / $system(clock_mhz) - $setup))}]
    error "timing is not met at $system(clock_mhz) MHz: WNS is $setup ns; compile again with\
      --clock $reached or lower, or with a folding that does less in a cycle"
  }
  if {$hold < 0} {
    error "timing is not met: WHS is $hold ns, a hold violation that no clock mends; run it again\
      with another implementation strategy"
  }
  say "timing is met at $system(clock_mhz) MHz: WNS $setup ns, WHS $hold ns"
}

proc implement {work output} {
  global system
  finish synth_1 "synthesis"
  finish impl_1 "placing and routing"
  open_run impl_1
  report_timing_summary -file [file join $work timing.rpt]
  report_utilization -hierarchical -file [file join $work utilization.rpt]
  check_timing
  set handoff \
    [file join $work $system(name).gen sources_1 bd $system(name) hw_handoff $system(name).hwh]
  if {![file exists $handoff]} {
    error "Vivado left no hardware handoff (.hwh) in $work; delete that folder and start again"
  }
  # It stands in the header of the .bit: tells of which build the file is.
  set_property BITSTREAM.CONFIG.USERID 0x[string range $system(build_id) 0 7] [current_design]
  say "writing the bitstream"
  set partial [file join $work $system(name).bit]
  write_bitstream -force $partial
  file copy $handoff [file join $output $system(name).hwh]
  file rename $partial [file join $output $system(name).bit]
}
