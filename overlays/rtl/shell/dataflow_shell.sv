// The shell of a dataflow overlay: registers, memory masters and counters around a streaming core.
//
// A call reads FRAMES * INPUT_BEATS beats from SOURCE into the core and writes the FRAMES *
// OUTPUT_BEATS beats that the core gives to DESTINATION, frame after frame without gaps. An error
// ends the call with a code in STATUS; what was written until then lies within the destination.
`default_nettype none

module dataflow_shell #(
    parameter int INPUT_BEATS = 1,   // 8-byte beats of a frame in: 1 to 2^24
    parameter int OUTPUT_BEATS = 1,  // 8-byte beats of a frame out: 1 to 2^24
    parameter int LAYERS = 1,        // layers of the core: 1 to 480
    parameter bit COUNT_LAYERS = 1,  // 0 leaves the layers' counters out
    // What the watchdog waits when WATCHDOG is 0: 1 or more cycles. A power of two is smallest.
    parameter logic [31:0] WATCHDOG_DEFAULT = 32'd1 << 24,
    parameter int OUTSTANDING = 8    // bursts in flight in each direction: 2, 4, 8 or 16
) (
    input wire aclk,
    input wire aresetn,

    input  wire  [11:0] s_axi_ctrl_awaddr,
    input  wire         s_axi_ctrl_awvalid,
    output logic        s_axi_ctrl_awready,
    input  wire  [31:0] s_axi_ctrl_wdata,
    input  wire  [ 3:0] s_axi_ctrl_wstrb,
    input  wire         s_axi_ctrl_wvalid,
    output logic        s_axi_ctrl_wready,
    output logic [ 1:0] s_axi_ctrl_bresp,
    output logic        s_axi_ctrl_bvalid,
    input  wire         s_axi_ctrl_bready,
    input  wire  [11:0] s_axi_ctrl_araddr,
    input  wire         s_axi_ctrl_arvalid,
    output logic        s_axi_ctrl_arready,
    output logic [31:0] s_axi_ctrl_rdata,
    output logic [ 1:0] s_axi_ctrl_rresp,
    output logic        s_axi_ctrl_rvalid,
    input  wire         s_axi_ctrl_rready,
    output logic        irq,

    output logic        m_axi_mem_arid,
    output logic [31:0] m_axi_mem_araddr,
    output logic [ 7:0] m_axi_mem_arlen,
    output logic [ 2:0] m_axi_mem_arsize,
    output logic [ 1:0] m_axi_mem_arburst,
    output logic        m_axi_mem_arlock,
    output logic [ 3:0] m_axi_mem_arcache,
    output logic [ 2:0] m_axi_mem_arprot,
    output logic [ 3:0] m_axi_mem_arqos,
    output logic        m_axi_mem_arvalid,
    input  wire         m_axi_mem_arready,
    input  wire         m_axi_mem_rid,
    input  wire  [63:0] m_axi_mem_rdata,
    input  wire  [ 1:0] m_axi_mem_rresp,
    input  wire         m_axi_mem_rlast,
    input  wire         m_axi_mem_rvalid,
    output logic        m_axi_mem_rready,
    output logic        m_axi_mem_awid,
    output logic [31:0] m_axi_mem_awaddr,
    output logic [ 7:0] m_axi_mem_awlen,
    output logic [ 2:0] m_axi_mem_awsize,
    output logic [ 1:0] m_axi_mem_awburst,
    output logic        m_axi_mem_awlock,
    output logic [ 3:0] m_axi_mem_awcache,
    output logic [ 2:0] m_axi_mem_awprot,
    output logic [ 3:0] m_axi_mem_awqos,
    output logic        m_axi_mem_awvalid,
    input  wire         m_axi_mem_awready,
    output logic [63:0] m_axi_mem_wdata,
    output logic [ 7:0] m_axi_mem_wstrb,
    output logic        m_axi_mem_wlast,
    output logic        m_axi_mem_wvalid,
    input  wire         m_axi_mem_wready,
    input  wire         m_axi_mem_bid,
    input  wire  [ 1:0] m_axi_mem_bresp,
    input  wire         m_axi_mem_bvalid,
    output logic        m_axi_mem_bready,

    input  wire  [     127:0] build_id,
    output logic              core_aresetn,        // low in reset, while a call is aborted and as one begins
    output logic [      63:0] m_axis_core_tdata,
    output logic              m_axis_core_tvalid,
    input  wire               m_axis_core_tready,
    output logic              m_axis_core_tlast,   // the last beat of a frame
    input  wire  [      63:0] s_axis_core_tdata,
    input  wire               s_axis_core_tvalid,
    output logic              s_axis_core_tready,
    input  wire               s_axis_core_tlast,   // the last beat of a frame, or the call fails
    input  wire  [LAYERS-1:0] layer_busy,
    input  wire  [LAYERS-1:0] layer_stalled
);

  logic start, soft_reset, begins, running, abort, ends;
  logic idle, done, bus_stuck, finished, failed;
  logic [7:0] error, failure;
  logic [63:0] cycles;
  logic [10:0] waiting, stalled_ports;
  logic [31:0] source, destination, frames, watchdog_limit;
  logic [31:0] frames_in, frames_out, first_in, first_out, last_out;
  logic [9:0] layer_index;
  logic [31:0] layer_count;
  wire [31:0] unused_program_address, unused_program_length, unused_destination_beats;

  axi_lite_registers #(
      .KIND(bitfold_registers_pkg::KIND_DATAFLOW),
      .LAYERS(COUNT_LAYERS ? LAYERS : 0),
      .INPUT_BEATS(INPUT_BEATS),
      .OUTPUT_BEATS(OUTPUT_BEATS)
  ) registers (
      .stalled_ports({21'd0, stalled_ports}),
      .program_address(unused_program_address),
      .program_length(unused_program_length),
      .destination_beats(unused_destination_beats),
      .*
  );

  // Memory to core.

  logic commands_valid, reader_ready, reader_refused, reader_idle, read_error, owed_read_data;
  logic writer_refused;
  // One side that is refused stops the other before that moves.
  wire stop = abort || reader_refused || writer_refused;
  logic [28:0] input_beats, output_beats;
  logic [63:0] read_tdata;
  logic read_tvalid, read_tready;

  axi_reader #(
      .OUTSTANDING(OUTSTANDING)
  ) reader (
      .command_valid(commands_valid),
      .command_ready(reader_ready),
      .command_address({1'b0, source}),
      .command_beats(input_beats),
      .refused(reader_refused),
      .abort(stop),
      .idle(reader_idle),
      .error(read_error),
      .owed_data(owed_read_data),
      .m_axis_tdata(read_tdata),
      .m_axis_tvalid(read_tvalid),
      .m_axis_tready(read_tready),
      .*
  );

  // The core may begin with logic, and be slow to say that it is ready.
  stream_register #(
      .WIDTH(64)
  ) from_memory (
      .aclk,
      .aresetn(core_aresetn),
      .s_axis_tdata(read_tdata),
      .s_axis_tvalid(read_tvalid),
      .s_axis_tready(read_tready),
      .m_axis_tdata(m_axis_core_tdata),
      .m_axis_tvalid(m_axis_core_tvalid),
      .m_axis_tready(m_axis_core_tready)
  );

  // Core to memory.

  logic writer_ready, writer_idle, write_error, owed_write_data, owed_write_answer;

  axi_writer #(
      .OUTSTANDING(OUTSTANDING)
  ) writer (
      .command_valid(commands_valid),
      .command_ready(writer_ready),
      .command_address({1'b0, destination}),
      .command_beats(output_beats),
      .refused(writer_refused),
      .abort(stop),
      .idle(writer_idle),
      .error(write_error),
      .owed_data(owed_write_data),
      .owed_answer(owed_write_answer),
      .s_axis_tdata(s_axis_core_tdata),
      .s_axis_tvalid(s_axis_core_tvalid),
      .s_axis_tready(s_axis_core_tready),
      .*
  );

  // The call.

  wire clear = begins || !aresetn;
  wire beat_in = m_axis_core_tvalid && m_axis_core_tready;
  wire beat_out = s_axis_core_tvalid && s_axis_core_tready;
  logic last_in, last_out_beat;
  wire bad_frame_end = beat_out && s_axis_core_tlast != last_out_beat;

  assign m_axis_core_tlast = last_in;

  frame_counter #(
      .BEATS(INPUT_BEATS)
  ) counter_in (
      .aclk,
      .clear(clear),
      .beat(beat_in),
      .last(last_in),
      .frames(frames_in)
  );

  frame_counter #(
      .BEATS(OUTPUT_BEATS)
  ) counter_out (
      .aclk,
      .clear(clear),
      .beat(beat_out),
      .last(last_out_beat),
      .frames(frames_out)
  );

  call_stamps stamps (
      .clear(clear),
      .cycle(cycles[31:0]),
      .frame_out(beat_out && last_out_beat),
      .*
  );

  logic refused;

  dataflow_call #(
      .INPUT_BEATS (INPUT_BEATS),
      .OUTPUT_BEATS(OUTPUT_BEATS)
  ) dataflow_call (
      .commands_done(reader_idle && writer_idle),
      .*
  );

  assign failed = refused || reader_refused || writer_refused || read_error || write_error || bad_frame_end;

  always_comb begin
    if (refused) failure = bitfold_registers_pkg::ERROR_BAD_FRAMES;
    else if (reader_refused || writer_refused) failure = bitfold_registers_pkg::ERROR_BAD_ADDRESS;
    else if (read_error) failure = bitfold_registers_pkg::ERROR_READ_ERROR;
    else if (write_error) failure = bitfold_registers_pkg::ERROR_WRITE_ERROR;
    else failure = bitfold_registers_pkg::ERROR_BAD_FRAME_END;
  end

  // What of earlier frames is left in the core goes as a call begins.
  logic call_aresetn, began;
  always_ff @(posedge aclk) began <= begins;
  assign core_aresetn = call_aresetn && !began;

  logic moving;

  bus_watch watch (
      .core_in_valid (m_axis_core_tvalid),
      .core_in_ready (m_axis_core_tready),
      .core_out_valid(s_axis_core_tvalid),
      .core_out_ready(s_axis_core_tready),
      .*
  );

  call_control #(
      .WATCHDOG_DEFAULT(WATCHDOG_DEFAULT),
      .PORTS(11)
  ) control (
      .drained (reader_idle && writer_idle),
      .progress(moving),
      .core_aresetn(call_aresetn),
      .*
  );

  generate
    if (COUNT_LAYERS) begin : with_layers
      layer_counters #(
          .LAYERS(LAYERS)
      ) layers (
          .clear(clear),
          .index(layer_index),
          .count(layer_count),
          .*
      );
    end else begin : without_layers
      wire [LAYERS-1:0] unused_layers = layer_busy | layer_stalled;
      wire [9:0] unused_index = layer_index;
      assign layer_count = '0;
    end
  endgenerate

  stable_beat #(
      .WIDTH(65)
  ) core_in_is_stable (
      .aclk,
      .aresetn(core_aresetn),
      .valid  (m_axis_core_tvalid),
      .ready  (m_axis_core_tready),
      .payload({m_axis_core_tdata, m_axis_core_tlast})
  );
  stable_beat #(
      .WIDTH(65)
  ) core_out_is_stable (
      .aclk,
      .aresetn(core_aresetn),
      .valid  (s_axis_core_tvalid),
      .ready  (s_axis_core_tready),
      .payload({s_axis_core_tdata, s_axis_core_tlast})
  );

`ifndef SYNTHESIS
  always_ff @(posedge aclk) begin
    if (aresetn && commands_valid) begin
      assert (reader_ready && writer_ready) else $error("%m: a call begins before the bus is idle");
    end
  end
`endif

endmodule

`default_nettype wire
