// The offload overlay as one block beside a processor: registers, memory masters and counters around
// the engine. Made once; networks come as programs.
`default_nettype none

module bitfold_top (
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
    output logic        m_axi_mem_bready
);

  logic start, soft_reset, begins, running, abort, ends, core_aresetn;
  logic idle, done, bus_stuck, finished, failed;
  logic [7:0] error, failure;
  logic [63:0] cycles;
  logic [10:0] waiting, stalled_ports;
  logic [31:0] source, destination, frames, watchdog_limit;
  logic [31:0] program_address, program_length, destination_beats;
  logic [31:0] frames_in, frames_out, first_in, first_out, last_out;
  logic [9:0] layer_index;
  logic [31:0] layer_count;
  wire [127:0] build_id;

  rom #(
      .WIDTH(128),
      .DEPTH(1),
      .IMAGE("build_id.hex")
  ) build_id_image (
      .aclk(aclk),
      .advance(1'b1),
      .address(1'b0),
      .data(build_id)
  );

  axi_lite_registers #(
      .KIND  (bitfold_registers_pkg::KIND_OFFLOAD),
      .LAYERS(offload_size_pkg::LAYERS)
  ) registers (
      .stalled_ports({21'd0, stalled_ports}),
      .*
  );

  // Memory to engine.

  logic read_valid, read_ready, read_refused, reader_idle, read_error, owed_read_data;
  logic [32:0] read_address;
  logic [28:0] read_beats;
  logic [63:0] to_engine_tdata, stored_tdata, from_engine_tdata;
  logic to_engine_tvalid, to_engine_tready, stored_tvalid, stored_tready;
  logic from_engine_tvalid, from_engine_tready;

  axi_reader reader (
      .command_valid(read_valid),
      .command_ready(read_ready),
      .command_address(read_address),
      .command_beats(read_beats),
      .refused(read_refused),
      .idle(reader_idle),
      .error(read_error),
      .owed_data(owed_read_data),
      .m_axis_tdata(to_engine_tdata),
      .m_axis_tvalid(to_engine_tvalid),
      .m_axis_tready(to_engine_tready),
      .*
  );

  // Engine to memory.

  logic write_valid, write_ready, write_refused, writer_idle, write_error;
  logic owed_write_data, owed_write_answer;
  logic [32:0] write_address;
  logic [28:0] write_beats;

  axi_writer writer (
      .command_valid(write_valid),
      .command_ready(write_ready),
      .command_address(write_address),
      .command_beats(write_beats),
      .refused(write_refused),
      .idle(writer_idle),
      .error(write_error),
      .owed_data(owed_write_data),
      .owed_answer(owed_write_answer),
      .s_axis_tdata(from_engine_tdata),
      .s_axis_tvalid(from_engine_tvalid),
      .s_axis_tready(from_engine_tready),
      .*
  );

  // The engine's memory is read on when a beat leaves, which must not wait for the writer's state.
  stream_register #(
      .WIDTH(64)
  ) from_engine (
      .aclk,
      .aresetn(core_aresetn),
      .s_axis_tdata(stored_tdata),
      .s_axis_tvalid(stored_tvalid),
      .s_axis_tready(stored_tready),
      .m_axis_tdata(from_engine_tdata),
      .m_axis_tvalid(from_engine_tvalid),
      .m_axis_tready(from_engine_tready)
  );

  // The engine.

  logic layer_begins, layer_busy, layer_stalled;
  logic input_frame, output_frame, engine_finished, engine_failed;
  logic [7:0] engine_failure;

  offload_engine #(
      .ROWS(offload_size_pkg::ROWS),
      .LANES(offload_size_pkg::LANES),
      .INPUT_WORDS(offload_size_pkg::INPUT_WORDS),
      .WEIGHT_WORDS(offload_size_pkg::WEIGHT_WORDS),
      .LAYERS(offload_size_pkg::LAYERS),
      .SOFTMAX(offload_size_pkg::SOFTMAX)
  ) engine (
      .aresetn(core_aresetn),
      .written(writer_idle),
      .s_axis_tdata(to_engine_tdata),
      .s_axis_tvalid(to_engine_tvalid),
      .s_axis_tready(to_engine_tready),
      .m_axis_tdata(stored_tdata),
      .m_axis_tvalid(stored_tvalid),
      .m_axis_tready(stored_tready),
      .finished(engine_finished),
      .failed(engine_failed),
      .failure(engine_failure),
      .*
  );

  // The call.

  wire clear = begins || !aresetn;
  wire beat_in = to_engine_tvalid && to_engine_tready;

  call_stamps stamps (
      .cycle(cycles[31:0]),
      .frame_out(output_frame),
      .*
  );

  always_ff @(posedge aclk) begin
    frames_in <= clear ? '0 : frames_in + 32'(input_frame);
    frames_out <= clear ? '0 : frames_out + 32'(output_frame);
  end

  assign finished = engine_finished && reader_idle && writer_idle;
  assign failed = engine_failed || read_error || write_error;

  always_comb begin
    if (engine_failed) failure = engine_failure;
    else if (read_error) failure = bitfold_registers_pkg::ERROR_READ_ERROR;
    else failure = bitfold_registers_pkg::ERROR_WRITE_ERROR;
  end

  logic moving;

  bus_watch watch (
      .core_in_valid (to_engine_tvalid),
      .core_in_ready (to_engine_tready),
      .core_out_valid(from_engine_tvalid),
      .core_out_ready(from_engine_tready),
      .*
  );

  call_control #(
      .PORTS(11)
  ) control (
      .drained (reader_idle && writer_idle),
      .progress(moving),
      .*
  );

  program_counters #(
      .LAYERS(offload_size_pkg::LAYERS)
  ) layers (
      .index(layer_index),
      .count(layer_count),
      .*
  );

endmodule

`default_nettype wire
