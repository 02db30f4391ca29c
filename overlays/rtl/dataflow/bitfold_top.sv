// A dataflow overlay as one block beside a processor: the shell around the network's core.
//
// The core and its package are generated for each network; the build id comes from an image, so
// that one simulation model serves all networks of the same shape.
`default_nettype none

module bitfold_top (
  input  wire aclk,
  input  wire aresetn,

  input  wire [11:0] s_axi_ctrl_awaddr,
  input  wire s_axi_ctrl_awvalid,
  output wire s_axi_ctrl_awready,
  input  wire [31:0] s_axi_ctrl_wdata,
  input  wire [3:0] s_axi_ctrl_wstrb,
  input  wire s_axi_ctrl_wvalid,
  output wire s_axi_ctrl_wready,
  output wire [1:0] s_axi_ctrl_bresp,
  output wire s_axi_ctrl_bvalid,
  input  wire s_axi_ctrl_bready,
  input  wire [11:0] s_axi_ctrl_araddr,
  input  wire s_axi_ctrl_arvalid,
  output wire s_axi_ctrl_arready,
  output wire [31:0] s_axi_ctrl_rdata,
  output wire [1:0] s_axi_ctrl_rresp,
  output wire s_axi_ctrl_rvalid,
  input  wire s_axi_ctrl_rready,
  output wire irq,

  output wire m_axi_mem_arid,
  output wire [31:0] m_axi_mem_araddr,
  output wire [7:0] m_axi_mem_arlen,
  output wire [2:0] m_axi_mem_arsize,
  output wire [1:0] m_axi_mem_arburst,
  output wire m_axi_mem_arlock,
  output wire [3:0] m_axi_mem_arcache,
  output wire [2:0] m_axi_mem_arprot,
  output wire [3:0] m_axi_mem_arqos,
  output wire m_axi_mem_arvalid,
  input  wire m_axi_mem_arready,
  input  wire m_axi_mem_rid,
  input  wire [63:0] m_axi_mem_rdata,
  input  wire [1:0] m_axi_mem_rresp,
  input  wire m_axi_mem_rlast,
  input  wire m_axi_mem_rvalid,
  output wire m_axi_mem_rready,
  output wire m_axi_mem_awid,
  output wire [31:0] m_axi_mem_awaddr,
  output wire [7:0] m_axi_mem_awlen,
  output wire [2:0] m_axi_mem_awsize,
  output wire [1:0] m_axi_mem_awburst,
  output wire m_axi_mem_awlock,
  output wire [3:0] m_axi_mem_awcache,
  output wire [2:0] m_axi_mem_awprot,
  output wire [3:0] m_axi_mem_awqos,
  output wire m_axi_mem_awvalid,
  input  wire m_axi_mem_awready,
  output wire [63:0] m_axi_mem_wdata,
  output wire [7:0] m_axi_mem_wstrb,
  output wire m_axi_mem_wlast,
  output wire m_axi_mem_wvalid,
  input  wire m_axi_mem_wready,
  input  wire m_axi_mem_bid,
  input  wire [1:0] m_axi_mem_bresp,
  input  wire m_axi_mem_bvalid,
  output wire m_axi_mem_bready
);
  wire core_aresetn;
  wire [63:0] to_core_tdata, from_core_tdata;
  wire to_core_tvalid, to_core_tready, to_core_tlast;
  wire from_core_tvalid, from_core_tready, from_core_tlast;
  wire [dataflow_core_pkg::LAYERS-1:0] layer_busy, layer_stalled;
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

  dataflow_shell #(
    .INPUT_BEATS(dataflow_core_pkg::INPUT_BEATS),
    .OUTPUT_BEATS(dataflow_core_pkg::OUTPUT_BEATS),
    .LAYERS(dataflow_core_pkg::LAYERS)
  ) shell (
    .m_axis_core_tdata(to_core_tdata),
    .m_axis_core_tvalid(to_core_tvalid),
    .m_axis_core_tready(to_core_tready),
    .m_axis_core_tlast(to_core_tlast),
    .s_axis_core_tdata(from_core_tdata),
    .s_axis_core_tvalid(from_core_tvalid),
    .s_axis_core_tready(from_core_tready),
    .s_axis_core_tlast(from_core_tlast),
    .*
  );

  dataflow_core core (
    .aclk(aclk),
    .aresetn(core_aresetn),
    .s_axis_tdata(to_core_tdata),
    .s_axis_tvalid(to_core_tvalid),
    .s_axis_tready(to_core_tready),
    .s_axis_tlast(to_core_tlast),
    .m_axis_tdata(from_core_tdata),
    .m_axis_tvalid(from_core_tvalid),
    .m_axis_tready(from_core_tready),
    .m_axis_tlast(from_core_tlast),
    .layer_busy(layer_busy),
    .layer_stalled(layer_stalled)
  );
endmodule

`default_nettype wire
