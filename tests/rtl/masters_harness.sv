// Test only: the shell's reader and writer back to back, with their commands as ports.
`default_nettype none

module masters_harness #(
    parameter int OUTSTANDING = 8
) (
    input wire aclk,
    input wire aresetn,

    input  wire  aborted,
    output logic reader_idle,
    output logic writer_idle,
    output logic read_error,
    output logic write_error,

    input  wire         read_valid,
    output logic        read_ready,
    input  wire  [32:0] read_address,
    input  wire  [28:0] read_beats,
    output logic        read_refused,
    input  wire         write_valid,
    output logic        write_ready,
    input  wire  [32:0] write_address,
    input  wire  [28:0] write_beats,
    output logic        write_refused,

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

  logic [63:0] tdata;
  logic tvalid, tready;
  wire [2:0] unused_owed;

  axi_reader #(
      .OUTSTANDING(OUTSTANDING)
  ) reader (
      .command_valid(read_valid),
      .command_ready(read_ready),
      .command_address(read_address),
      .command_beats(read_beats),
      .refused(read_refused),
      .abort(aborted),
      .idle(reader_idle),
      .error(read_error),
      .owed_data(unused_owed[0]),
      .m_axis_tdata(tdata),
      .m_axis_tvalid(tvalid),
      .m_axis_tready(tready),
      .*
  );

  axi_writer #(
      .OUTSTANDING(OUTSTANDING)
  ) writer (
      .command_valid(write_valid),
      .command_ready(write_ready),
      .command_address(write_address),
      .command_beats(write_beats),
      .refused(write_refused),
      .abort(aborted),
      .idle(writer_idle),
      .error(write_error),
      .owed_data(unused_owed[1]),
      .owed_answer(unused_owed[2]),
      .s_axis_tdata(tdata),
      .s_axis_tvalid(tvalid),
      .s_axis_tready(tready),
      .*
  );

endmodule

`default_nettype wire
